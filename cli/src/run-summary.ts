import type { Run } from './mesh-api.ts';
import { duration, harmless, paint, shorten, table } from './output.ts';
import { detailOf } from './timeline.ts';
import { isFinal, type TimelineEntry } from './timeline-entry.ts';

/** An agent hop: one call of a run over all its attempts. */
interface Hop {
  agent: string;
  skill: string;
  attempts: number;
  outcome: string;
  startedAt: number;
  endedAt: number | undefined;
}

const outcomes: Partial<Record<TimelineEntry['type'], string>> = {
  'call-completed': 'completed',
  'call-failed': 'failed',
  'call-canceled': 'canceled',
};

/** The heading of a run. */
export function runHeading(run: Run): string[] {
  return [
    `${paint('bold', harmless(run.workflow))}@${run.version}  ${run.runId}`,
    `  input     ${shorten(JSON.stringify(run.input ?? null), 300)}`,
  ];
}

/** What became of a run: its agent hops with their attempts, who decided what, and the outcome. */
export function runSummary(run: Run, entries: readonly TimelineEntry[]): string[] {
  const hops = hopsOf(entries).map((hop) => [
    hop.agent,
    hop.skill,
    String(hop.attempts),
    hop.endedAt === undefined ? '-' : duration(hop.endedAt - hop.startedAt),
    hop.outcome,
  ]);
  return [
    ...(hops.length === 0 ? [] : ['', ...table(['AGENT', 'SKILL', 'ATTEMPTS', 'TOOK', 'OUTCOME'], hops)]),
    ...decisionsOf(entries),
    '',
    outcomeLine(run, entries),
    ...(isDocument(run.output) ? [`its document: npx mesh artifact ${run.runId} --out FILE`] : []),
  ];
}

/** Text of a media type, which is to be read elsewhere than on a line of JSON. */
const isDocument = (output: unknown): boolean =>
  typeof output === 'object' && output !== null && 'content' in output && 'mediaType' in output;

function hopsOf(entries: readonly TimelineEntry[]): Hop[] {
  const hops = new Map<string, Hop>();
  for (const entry of entries) {
    if (entry.callId === undefined) continue;
    const hop = hops.get(entry.callId) ?? newHop(entry);
    hops.set(entry.callId, hop);
    hop.agent = entry.agent ?? hop.agent;
    hop.skill = entry.type === 'call-sent' ? (detailOf(entry).skill ?? hop.skill) : hop.skill;
    hop.attempts = Math.max(hop.attempts, entry.attempt ?? 1);
    const outcome = outcomes[entry.type];
    if (outcome === undefined) continue;
    hop.outcome = outcome;
    hop.endedAt = Date.parse(entry.at);
  }
  return [...hops.values()];
}

const newHop = (entry: TimelineEntry): Hop => ({
  agent: '-',
  skill: '-',
  attempts: 1,
  outcome: 'open',
  startedAt: Date.parse(entry.at),
  endedAt: undefined,
});

function decisionsOf(entries: readonly TimelineEntry[]): string[] {
  return entries.flatMap((entry) => {
    if (entry.type !== 'question-answered') return [];
    const { action, by, reason } = detailOf(entry);
    const why = reason === undefined ? '' : `: "${shorten(reason, 200)}"`;
    return ['', `answered    ${action ?? 'answer'} by ${harmless(by ?? 'unknown')}${why}`];
  });
}

function outcomeLine(run: Run, entries: readonly TimelineEntry[]): string {
  const last = entries.at(-1);
  const isOver = last !== undefined && isFinal(last);
  const tookMs = Date.parse(isOver ? last.at : run.updatedAt) - Date.parse(run.createdAt);
  const result = run.status === 'failed' ? run.error : run.output;
  const shown = result === undefined || result === null ? '' : `  ${shorten(JSON.stringify(result), 1000)}`;
  if (run.stalled) return `${paint('bold', run.status)}  ${run.stalled.reason}: ${harmless(run.stalled.message)}`;
  return `${paint('bold', run.status)}${isOver ? ` after ${duration(tookMs)}` : ''}${shown}`;
}
