import { type messages, newMessage } from '../../engine/sdk.ts';

/** An event of a history, and what a turn asks for, as the SDK has them. */
export type HistoryEvent = InstanceType<typeof messages.HistoryEvent>;
export type Action = InstanceType<typeof messages.OrchestratorAction>;

/** What a run was told and what it asked for, turn by turn: the history of its instance in readable form. */
export interface RecordedRun {
  /** The registered name: `content-pipeline@1`. */
  workflow: string;
  instanceId: string;
  turns: RecordedTurn[];
}

interface RecordedTurn {
  at: string;
  events: RecordedEvent[];
  actions: RecordedAction[];
}

/** What a turn was told. Numbers are those of the actions of earlier turns. */
type RecordedEvent =
  | { event: 'started'; input: unknown }
  | { event: 'completed'; of: number; output: unknown }
  | { event: 'failed'; of: number; message: string }
  | { event: 'fired'; of: number; at: string }
  | { event: 'raised'; name: string; payload: unknown }
  | { event: 'child-completed'; of: number; output: unknown }
  | { event: 'child-failed'; of: number; message: string };

/** What a turn asked for. */
export type RecordedAction =
  | { action: 'activity'; id: number; name: string; input: unknown }
  | { action: 'timer'; id: number; at: string }
  | { action: 'child'; id: number; name: string; instanceId: string; input: unknown }
  | { action: 'complete'; id: number; output: unknown }
  | { action: 'fail'; id: number; message: string };

/** Reads the history of an instance. @throws TypeError for one that holds what is not recorded. */
export function toRecordedRun(workflow: string, instanceId: string, history: readonly HistoryEvent[]): RecordedRun {
  const turns: RecordedTurn[] = [];
  for (const event of history) {
    if (event.getOrchestratorstarted()) {
      turns.push({ at: timeOf(event.getTimestamp()), events: [], actions: [] });
      continue;
    }
    const turn = turns.at(-1);
    if (!turn) throw new TypeError('the history does not begin with a turn');
    const told = readEvent(event);
    const asked = readAction(event);
    if (told) turn.events.push(told);
    else if (asked) turn.actions.push(asked);
    else throw new TypeError(`an event of kind ${event.getEventtypeCase()} cannot be recorded`);
  }
  return { workflow, instanceId, turns };
}

function readEvent(event: HistoryEvent): RecordedEvent | undefined {
  const started = event.getExecutionstarted();
  if (started) return { event: 'started', input: json(started.getInput()) };
  const completed = event.getTaskcompleted();
  if (completed) {
    return { event: 'completed', of: completed.getTaskscheduledid(), output: json(completed.getResult()) };
  }
  const failed = event.getTaskfailed();
  if (failed) return { event: 'failed', of: failed.getTaskscheduledid(), message: messageOf(failed) };
  const fired = event.getTimerfired();
  if (fired) return { event: 'fired', of: fired.getTimerid(), at: timeOf(fired.getFireat()) };
  const raised = event.getEventraised();
  if (raised) return { event: 'raised', name: raised.getName(), payload: json(raised.getInput()) };
  const ended = event.getSuborchestrationinstancecompleted();
  if (ended) return { event: 'child-completed', of: ended.getTaskscheduledid(), output: json(ended.getResult()) };
  const broken = event.getSuborchestrationinstancefailed();
  return broken && { event: 'child-failed', of: broken.getTaskscheduledid(), message: messageOf(broken) };
}

function readAction(event: HistoryEvent): RecordedAction | undefined {
  const id = event.getEventid();
  const activity = event.getTaskscheduled();
  if (activity) return { action: 'activity', id, name: activity.getName(), input: json(activity.getInput()) };
  const timer = event.getTimercreated();
  if (timer) return { action: 'timer', id, at: timeOf(timer.getFireat()) };
  const child = event.getSuborchestrationinstancecreated();
  if (child) {
    const instanceId = child.getInstanceid();
    return { action: 'child', id, name: child.getName(), instanceId, input: json(child.getInput()) };
  }
  const end = event.getExecutioncompleted();
  return end && endOf(id, end);
}

/** What a turn asks for, in the same form. */
export function toRecordedAction(action: Action): RecordedAction {
  const id = action.getId();
  const activity = action.getScheduletask();
  if (activity) return { action: 'activity', id, name: activity.getName(), input: json(activity.getInput()) };
  const timer = action.getCreatetimer();
  if (timer) return { action: 'timer', id, at: timeOf(timer.getFireat()) };
  const child = action.getCreatesuborchestration();
  if (child) {
    const instanceId = child.getInstanceid();
    return { action: 'child', id, name: child.getName(), instanceId, input: json(child.getInput()) };
  }
  const end = action.getCompleteorchestration();
  if (end) return endOf(id, end);
  throw new TypeError(`an action of kind ${action.getOrchestratoractiontypeCase()} cannot be recorded`);
}

interface End {
  getResult(): { getValue(): string } | undefined;
  getFailuredetails(): { getErrormessage(): string } | undefined;
}

function endOf(id: number, end: End): RecordedAction {
  const failure = end.getFailuredetails();
  return failure
    ? { action: 'fail', id, message: failure.getErrormessage() }
    : { action: 'complete', id, output: json(end.getResult()) };
}

/** The history of all turns before the given one, and what that turn was told. */
export function historyUntil({ instanceId, turns }: RecordedRun, turn: number): [HistoryEvent[], HistoryEvent[]] {
  const past = turns.slice(0, turn).flatMap((each) => toldIn(instanceId, each).concat(each.actions.flatMap(toEvent)));
  const present = turns[turn];
  return [past, present ? toldIn(instanceId, present) : []];
}

const toldIn = (instanceId: string, { at, events }: RecordedTurn): HistoryEvent[] => [
  newMessage.newOrchestratorStartedEvent(new Date(at)),
  ...events.map((event) => toHistoryEvent(instanceId, event)),
];

function toHistoryEvent(instanceId: string, told: RecordedEvent): HistoryEvent {
  switch (told.event) {
    case 'started':
      return newMessage.newExecutionStartedEvent('workflow', instanceId, JSON.stringify(told.input));
    case 'completed':
      return newMessage.newTaskCompletedEvent(told.of, JSON.stringify(told.output));
    case 'failed':
      return newMessage.newTaskFailedEvent(told.of, new Error(told.message));
    case 'fired':
      return newMessage.newTimerFiredEvent(told.of, new Date(told.at));
    case 'raised':
      return newMessage.newEventRaisedEvent(told.name, JSON.stringify(told.payload));
    case 'child-completed':
      return newMessage.newSubOrchestrationCompletedEvent(told.of, JSON.stringify(told.output));
    case 'child-failed':
      return newMessage.newSubOrchestrationFailedEvent(told.of, new Error(told.message));
    default:
      return told satisfies never;
  }
}

function toEvent(asked: RecordedAction): HistoryEvent[] {
  switch (asked.action) {
    case 'activity':
      return [newMessage.newTaskScheduledEvent(asked.id, asked.name, JSON.stringify(asked.input))];
    case 'timer':
      return [newMessage.newTimerCreatedEvent(asked.id, new Date(asked.at))];
    case 'child':
      return [
        newMessage.newSubOrchestrationCreatedEvent(asked.id, asked.name, asked.instanceId, JSON.stringify(asked.input)),
      ];
    case 'complete':
    case 'fail':
      return [];
    default:
      return asked satisfies never;
  }
}

const json = (text: { getValue(): string } | undefined): unknown => JSON.parse(text?.getValue() || 'null');

const timeOf = (time: { toDate(): Date } | undefined): string => (time?.toDate() ?? new Date(0)).toISOString();

const messageOf = (failed: { getFailuredetails(): { getErrormessage(): string } | undefined }): string =>
  failed.getFailuredetails()?.getErrormessage() ?? '';
