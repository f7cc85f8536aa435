import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  ActivityResponseSchema,
  HistoryEventSchema,
  WorkflowResponseSchema,
  WorkflowStatus,
  WorkItemSchema,
  type ActivityResponse,
  type HistoryEvent,
  type WorkflowActionSchema,
  type WorkflowResponse,
} from '../../src/gen/durable_task_pb.ts';
import { SLEEP_MS, type Instruction } from './instruction.ts';

type Action = NonNullable<MessageInitShape<typeof WorkflowActionSchema>['action']>;

export type Answer =
  | { readonly turn: WorkflowResponse }
  | { readonly activity: ActivityResponse; readonly text: string };

/** The answer of a worker whose only workflow does what its events say, and shows what it did as its custom status. */
export function answerWorkItem(bytes: Uint8Array): Answer {
  const { request, completionToken } = fromBinary(WorkItemSchema, bytes);
  if (request.case === 'activityRequest') {
    const { taskId, input = '', workflowInstance } = request.value;
    const instanceId = workflowInstance?.instanceId ?? '';
    return {
      activity: create(ActivityResponseSchema, { instanceId, taskId, result: input, completionToken }),
      text: input,
    };
  }
  if (request.case !== 'workflowRequest') throw new TypeError(`unexpected work item ${request.case}`);
  const { instanceId, pastEvents, newEvents } = request.value;
  const script = new Script();
  for (const event of pastEvents) script.take(decode(event), event);
  for (const event of newEvents) script.take(decode(event), event);
  const { actions, notes } = script.finish();
  const customStatus = JSON.stringify(notes);
  return { turn: create(WorkflowResponseSchema, { instanceId, actions, customStatus, completionToken }) };
}

const decode = (bytes: Uint8Array): HistoryEvent => fromBinary(HistoryEventSchema, bytes);

/** A workflow that is replayed from its first event each turn, like those of an SDK. */
class Script {
  readonly #notes: string[] = [];
  readonly #actions: MessageInitShape<typeof WorkflowActionSchema>[] = [];
  readonly #childIds = new Map<number, string>();
  #now = 0;
  #sequence = 0;
  /** How many actions earlier turns have taken. */
  #taken = 0;
  #suspended = false;
  #held: { event: HistoryEvent; bytes: Uint8Array }[] = [];
  #over: 'again' | 'end' | undefined;
  readonly #carryover: Uint8Array[] = [];

  take(event: HistoryEvent, bytes: Uint8Array): void {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the rest is for happen()
    switch (event.event.case) {
      case 'workflowStarted':
        this.#now = event.timestamp === undefined ? this.#now : timestampMs(event.timestamp);
        return;
      case 'taskScheduled':
      case 'timerCreated':
      case 'childWorkflowCreated':
        this.#taken += 1;
        return;
      case 'executionSuspended':
        this.#suspended = true;
        return;
      case 'executionResumed':
        this.#suspended = false;
        for (const held of this.#held.splice(0)) this.#happen(held.event, held.bytes);
        return;
      default:
        if (this.#suspended) this.#held.push({ event, bytes });
        else this.#happen(event, bytes);
    }
  }

  finish(): { actions: MessageInitShape<typeof WorkflowActionSchema>[]; notes: readonly string[] } {
    const notes = this.#notes;
    if (this.#over === undefined) return { actions: this.#actions.slice(this.#taken), notes };
    const result = JSON.stringify(notes);
    const again = this.#over === 'again';
    for (const { event, bytes } of this.#held) if (event.event.case === 'eventRaised') this.#carryover.push(bytes);
    const workflowStatus = again ? WorkflowStatus.CONTINUED_AS_NEW : WorkflowStatus.COMPLETED;
    const carryoverEvents = again ? this.#carryover : [];
    this.#act({ case: 'completeWorkflow', value: { workflowStatus, result, carryoverEvents } });
    return { actions: this.#actions.slice(this.#taken), notes };
  }

  #happen({ event }: HistoryEvent, bytes: Uint8Array): void {
    if (this.#over !== undefined) {
      if (event.case === 'eventRaised') this.#carryover.push(bytes);
      return;
    }
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- of everything else this workflow takes no notice
    switch (event.case) {
      case 'executionStarted':
        // What finish() of the generation before passed on.
        if (event.value.input) this.#notes.push(...(JSON.parse(event.value.input) as string[]));
        return;
      case 'eventRaised':
        // Whatever the commands raised.
        this.#follow(JSON.parse(event.value.input ?? '') as Instruction);
        return;
      case 'taskCompleted':
        this.#notes.push(`did ${event.value.result}`);
        return;
      case 'timerFired':
        this.#notes.push('slept');
        return;
      case 'childWorkflowCompleted':
        this.#notes.push(`${this.#childIds.get(event.value.taskScheduledId)} completed`);
        return;
      case 'childWorkflowFailed':
        this.#notes.push(`${this.#childIds.get(event.value.taskScheduledId)} terminated`);
        return;
      default:
    }
  }

  #follow(instruction: Instruction): void {
    switch (instruction.do) {
      case 'note':
        this.#notes.push(instruction.text);
        return;
      case 'work':
        this.#act({ case: 'scheduleTask', value: { name: 'work', input: instruction.text } });
        return;
      case 'sleep':
        this.#act({ case: 'createTimer', value: { fireAt: timestampFromMs(this.#now + SLEEP_MS) } });
        return;
      case 'child':
        this.#childIds.set(this.#sequence + 1, instruction.id);
        this.#act({ case: 'createChildWorkflow', value: { name: 'script', instanceId: instruction.id } });
        return;
      case 'again':
      case 'end':
        this.#over = instruction.do;
        return;
      default:
        instruction satisfies never;
    }
  }

  #act(action: Action): void {
    this.#sequence += 1;
    this.#actions.push({ id: this.#sequence, action });
  }
}
