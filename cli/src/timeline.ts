import { z } from 'zod';
import { duration, harmless, paint, shorten } from './output.ts';
import type { TimelineEntry } from './timeline-entry.ts';

/** Draws a run's timeline line by line: the run at the left, and a lane for every agent call that is open. */
export interface TimelineDrawing {
  line(entry: TimelineEntry): string;
}

const Failure = z.looseObject({ code: z.string(), message: z.string() });

/** What entries may say in their data; each type uses some of it. */
const Detail = z.object({
  skill: z.string().optional().catch(undefined),
  workflow: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  text: z.string().optional().catch(undefined),
  prompt: z.string().optional().catch(undefined),
  assignee: z.string().optional().catch(undefined),
  action: z.string().optional().catch(undefined),
  by: z.string().optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
  event: z.string().optional().catch(undefined),
  delayMs: z.number().optional().catch(undefined),
  percent: z.number().optional().catch(undefined),
  number: z.number().optional().catch(undefined),
  total: z.number().optional().catch(undefined),
  missing: z.number().optional().catch(undefined),
  questionId: z.string().optional().catch(undefined),
  answer: z.looseObject({ action: z.string() }).optional().catch(undefined),
  failure: Failure.optional().catch(undefined),
  error: Failure.optional().catch(undefined),
});
type Detail = z.infer<typeof Detail>;

/** Reads the data of an entry; what is missing or of another form is undefined. */
export const detailOf = (entry: TimelineEntry): Detail => Detail.safeParse(entry.data ?? {}).data ?? Detail.parse({});

interface Lane {
  callId: string;
  sentAt: number;
  skill: string | undefined;
}

/** The marks that change a lane; all others are drawn on it. */
const laneEnds: ReadonlySet<TimelineEntry['type']> = new Set(['call-completed', 'call-failed', 'call-canceled']);

/** Starts a drawing; entries are given to it in their order. */
export function drawTimeline(): TimelineDrawing {
  const lanes: (Lane | undefined)[] = [];
  let startedAt: number | undefined;
  return {
    line(entry) {
      const at = Date.parse(entry.at);
      startedAt ??= at;
      const detail = detailOf(entry);
      const opens = entry.type === 'call-sent' && laneOf(lanes, entry) === -1;
      const lane = opens ? openLane(lanes, entry, detail, at) : laneOf(lanes, entry);
      const call = lanes[lane];
      const graph = drawGraph(lanes, lane, opens ? '╮' : laneEnds.has(entry.type) ? '╯' : undefined);
      if (laneEnds.has(entry.type) && lane >= 0) lanes[lane] = undefined;
      const tookMs = call === undefined ? undefined : at - call.sentAt;
      return `${paint('dim', `+${duration(at - startedAt)}`.padStart(12))}  ${graph} ${describe(entry, detail, { tookMs, skill: call?.skill })}`;
    },
  };
}

const laneOf = (lanes: readonly (Lane | undefined)[], entry: TimelineEntry): number =>
  entry.callId === undefined ? -1 : lanes.findIndex((lane) => lane?.callId === entry.callId);

function openLane(lanes: (Lane | undefined)[], entry: TimelineEntry, detail: Detail, at: number): number {
  const free = lanes.indexOf(undefined);
  const lane = free === -1 ? lanes.length : free;
  lanes[lane] = { callId: entry.callId ?? '', sentAt: at, skill: detail.skill };
  return lane;
}

/** One line of the graph. `turn` is the corner by which the marked lane leaves or joins the run. */
function drawGraph(lanes: readonly (Lane | undefined)[], marked: number, turn: '╮' | '╯' | undefined): string {
  const cells = lanes.map((lane, index) => {
    if (index === marked) return turn === undefined ? ' ∙' : `─${turn}`;
    const crossed = turn !== undefined && index < marked;
    if (lane === undefined) return crossed ? '──' : '  ';
    return crossed ? '─┼' : ' │';
  });
  const run = marked === -1 ? '●' : turn === undefined ? '│' : '├';
  return `${run}${cells.join('')}`.padEnd(7);
}

interface CallFacts {
  tookMs: number | undefined;
  skill: string | undefined;
}

type Describe = (entry: TimelineEntry, detail: Detail, call: CallFacts) => string;

const quoted = (text: string | undefined): string => (text === undefined ? '' : ` "${shorten(text, 200)}"`);
const after = (label: string, text: string | undefined): string =>
  text === undefined ? '' : `${label}${shorten(text, 200)}`;
const attempt = (entry: TimelineEntry): string => (entry.attempt === undefined ? '' : `, attempt ${entry.attempt}`);
const took = ({ tookMs }: CallFacts): string => (tookMs === undefined ? '' : ` in ${duration(tookMs)}`);
const agent = (entry: TimelineEntry): string => paint('cyan', harmless(entry.agent ?? 'agent'));
const failure = ({ failure: failed, error, reason }: Detail): string => {
  const cause = failed ?? error;
  return after(': ', cause === undefined ? reason : `${cause.code}: ${cause.message}`);
};

/** What a run waits for that gave a part of itself a time limit: nobody can send this event. */
const timeLimit = 'mesh:time-limit';

const descriptions: Record<TimelineEntry['type'], Describe> = {
  'run-started': (_, { workflow }) => `started${after(' ', workflow)}`,
  'child-started': (_, { workflow }) => `child${after(' ', workflow)} started`,
  'child-completed': () => `child ${paint('green', 'completed')}`,
  'child-failed': (_, detail) => `child ${paint('red', 'failed')}${failure(detail)}`,
  'child-canceled': (_, { reason }) => `child ${paint('yellow', 'canceled')}${after(': ', reason)}`,
  'call-sent': (entry, { skill }) => `${agent(entry)} <- ${skill ?? 'message'}${attempt(entry)}`,
  'call-progress': (entry, { text, message }) => `${agent(entry)} ${shorten(text ?? message ?? 'is working', 200)}`,
  'call-completed': (entry, _, call) => `${agent(entry)} ${paint('green', 'completed')}${took(call)}${attempt(entry)}`,
  'call-failed': (entry, detail, call) =>
    `${agent(entry)} ${paint('red', 'failed')}${took(call)}${attempt(entry)}${failure(detail)}`,
  'call-canceled': (entry, detail, call) =>
    `${agent(entry)} ${paint('yellow', 'canceled')}${took(call)}${after(': ', detail.reason)}`,
  'question-asked': (_, { prompt, assignee }) =>
    `${paint('yellow', 'question')}${quoted(prompt)}${after(', for ', assignee)}`,
  'question-reminded': (_, { assignee, number, total }) =>
    `reminder${number === undefined ? '' : ` ${number} of ${total ?? number}`}${after(', for ', assignee)}`,
  'question-escalated': (_, { assignee }) => `question escalated${after(' to ', assignee)}`,
  'question-approved': (_, { by, reason, missing }) =>
    `${paint('green', 'approved')}${after(' by ', by)}${quoted(reason)}${missing ? `, ${missing} missing` : ''}`,
  'question-answered': (_, { action, by, reason }) =>
    `${paint('green', 'answered')}${after(': ', action)}${after(' by ', by)}${quoted(reason)}`,
  'question-expired': (_, { answer }) => `question expired${after(', taken: ', answer?.action)}`,
  'question-withdrawn': (_, { reason }) => `question withdrawn${after(': ', reason)}`,
  waiting: (_, { event }) => (event === timeLimit ? 'a time limit begins' : `waits${after(' for ', event)}`),
  'event-received': (_, { event }) => `event${after(' ', event)} received`,
  progress: (_, { message, text, percent }) =>
    `progress${percent === undefined ? '' : ` ${percent} %`}${after(': ', message ?? text)}`,
  'retry-scheduled': (entry, detail) =>
    `tries again${detail.delayMs === undefined ? '' : ` in ${duration(detail.delayMs)}`}${attempt(entry)}${failure(detail)}`,
  'compensation-started': (_, detail) => `undoes what was done${failure(detail)}`,
  'compensation-completed': () => 'undone',
  'run-suspended': (_, { by }) => `suspended${after(' by ', by)}`,
  'run-resumed': (_, { by, reason }) => `resumed${after(' by ', by)}${after(': ', reason)}`,
  'run-stalled': (_, { message }) => `${paint(['bold', 'red'], 'stalled')}${after(': ', message)}`,
  warning: (_, { message }) => `${paint('yellow', 'warning')}${after(': ', message)}`,
  'cancel-requested': (_, { by, reason }) => `cancel requested${after(' by ', by)}${quoted(reason)}`,
  'run-completed': () => paint(['bold', 'green'], 'completed'),
  'run-failed': (_, detail) => `${paint(['bold', 'red'], 'failed')}${failure(detail)}`,
  'run-canceled': (_, { reason }) => `${paint(['bold', 'yellow'], 'canceled')}${after(': ', reason)}`,
};

const describe: Describe = (entry, detail, call) =>
  `${entry.child ? paint('dim', `${harmless(entry.child.path)}: `) : ''}${descriptions[entry.type](entry, detail, call)}`;
