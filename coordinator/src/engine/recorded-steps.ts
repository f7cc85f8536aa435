import type { ActivityMessage } from '../workflow-kit/activity-message.ts';
import { type NamedStep, nonDeterminism } from '../workflow-kit/non-determinism.ts';
import { placeOf } from '../workflow-kit/step-name.ts';

/** What is looked at of an event of a history, a protobuf message of the SDK. */
export interface RecordedEvent {
  getEventid(): number;
  getTaskscheduled(): { getName(): string; getInput(): { getValue(): string } | undefined } | undefined;
  getTimercreated(): object | undefined;
  getSuborchestrationinstancecreated(): { getName(): string } | undefined;
}

/**
 * Says in the words of the workflow what the SDK says in numbers. It finds a mismatch where another kind of action, or
 * another activity, was recorded, and names both by their number in the history.
 */
export function explainMismatch(message: string, history: readonly RecordedEvent[]): string {
  const id = Number(/(?:with ID=|sequence number )(\d+)/u.exec(message)?.[1]);
  const event = history.find((each) => each.getEventid() === id && stepOf(each) !== undefined);
  const recorded = event && stepOf(event);
  if (!recorded) return message;
  const made = /instead trying to call (?:mesh\.)?(\S+)/u.exec(message)?.[1];
  return nonDeterminism(recorded, made === undefined ? undefined : { place: recorded.place, what: kinds[made] ?? made })
    .message;
}

function stepOf(event: RecordedEvent): NamedStep | undefined {
  const place = `#${event.getEventid()}`;
  const task = event.getTaskscheduled();
  if (task) {
    // The kit sends every activity a message.
    const message = JSON.parse(task.getInput()?.getValue() ?? '{}') as Partial<ActivityMessage>;
    return { place: placeOf(message.key ?? place), what: message.what ?? task.getName() };
  }
  const child = event.getSuborchestrationinstancecreated();
  if (child) return { place, what: `child ${child.getName()}` };
  return event.getTimercreated() ? { place, what: 'a timer' } : undefined;
}

/** What the SDK calls the actions of a turn, and the kit's activities, as people name them. */
const kinds: Readonly<Record<string, string>> = {
  createTimer: 'a timer',
  callActivity: 'an activity',
  callSubOrchestrator: 'a child',
  completeOrchestration: 'the end of the run',
  send: 'a call',
  ask: 'a question',
  wait: 'a wait for an event',
  local: 'an activity',
  finish: 'the end of the run',
  note: 'a sleep',
  progress: 'a progress report',
};
