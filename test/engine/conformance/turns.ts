import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type ActivityRequest,
  type HistoryEvent,
  HistoryEventSchema,
  type WorkflowActionSchema,
  type WorkflowRequest,
  WorkflowStatus,
  type WorkItem,
} from '@daca-mesh/sidecar/protocol';
import type { RawClient, RawWorker } from '@daca-mesh/sidecar/testing';
import { vi } from 'vitest';
import { patient } from './suite.ts';

export type Action = MessageInitShape<typeof WorkflowActionSchema>;

export const schedule = (id: number, name = 'work'): Action => ({
  id,
  action: { case: 'scheduleTask', value: { name, input: String(id) } },
});
export const complete = (id: number, result: string): Action => ({
  id,
  action: { case: 'completeWorkflow', value: { workflowStatus: WorkflowStatus.COMPLETED, result } },
});
export const terminated = (id: number): Action => ({
  id,
  action: { case: 'completeWorkflow', value: { workflowStatus: WorkflowStatus.TERMINATED, result: '"over"' } },
});
export const continueAsNew = (id: number, result: string, carryoverEvents: Uint8Array[] = []): Action => ({
  id,
  action: {
    case: 'completeWorkflow',
    value: { workflowStatus: WorkflowStatus.CONTINUED_AS_NEW, result, carryoverEvents },
  },
});
export const child = (id: number, instanceId: string): Action => ({
  id,
  action: { case: 'createChildWorkflow', value: { instanceId, name: 'child' } },
});

export const send = (id: number, instanceId: string): Action => ({
  id,
  action: { case: 'sendEvent', value: { instance: { instanceId }, name: 'e', data: '1' } },
});

export const decode = (events: Uint8Array[]): HistoryEvent[] =>
  events.map((bytes) => fromBinary(HistoryEventSchema, bytes));
export const kinds = (events: Uint8Array[]) => decode(events).map(({ event }) => event.case);
export const raisedValues = (events: Uint8Array[]) =>
  decode(events).flatMap(({ event }) => (event.case === 'eventRaised' ? [event.value.input] : []));

/** The work of one instance, out of a stream that brings that of all. */
export class Desk {
  readonly id: string;
  readonly #client: RawClient;
  readonly #workers: () => readonly RawWorker[];

  constructor(id: string, client: RawClient, workers: () => readonly RawWorker[]) {
    this.id = id;
    this.#client = client;
    this.#workers = workers;
  }

  start(name = 'flow') {
    const started = this.#client.call('startInstance', { instanceId: this.id, name, input: '1' });
    // Answered after the first turn; a test that fails before never gets there.
    started.catch(() => {});
    return started;
  }

  async turn(): Promise<WorkflowRequest & { token: string }> {
    const { request, completionToken } = await this.#take('workflowRequest');
    if (request.case !== 'workflowRequest') throw new TypeError('taken by its case');
    return { ...request.value, token: completionToken };
  }

  async activity(): Promise<ActivityRequest & { token: string }> {
    const { request, completionToken } = await this.#take('activityRequest');
    if (request.case !== 'activityRequest') throw new TypeError('taken by its case');
    return { ...request.value, token: completionToken };
  }

  /** What came and was not taken. */
  waiting(): WorkItem[] {
    return this.#workers().flatMap(({ items }) => items.filter((item) => idOf(item) === this.id));
  }

  answer(actions: Action[], customStatus?: string) {
    return this.#client.call('completeOrchestratorTask', {
      instanceId: this.id,
      actions,
      ...(customStatus === undefined ? {} : { customStatus }),
    });
  }

  result(taskId: number, result: string) {
    return this.#client.call('completeActivityTask', { instanceId: this.id, taskId, result });
  }

  raise(name: string, input: string) {
    return this.#client.call('raiseEvent', { instanceId: this.id, name, input });
  }

  async state() {
    const request = { instanceId: this.id, getInputsAndOutputs: true };
    return (await this.#client.call('getInstance', request)).workflowState;
  }

  #take(kind: WorkItem['request']['case']): Promise<WorkItem> {
    return vi.waitFor(() => {
      for (const { items } of this.#workers()) {
        const index = items.findIndex((item) => idOf(item) === this.id && item.request.case === kind);
        const [item] = index < 0 ? [] : items.splice(index, 1);
        if (item !== undefined) return item;
      }
      const ended = this.#workers().map((worker) => worker.ended ?? 'connected');
      throw new Error(`no ${kind} came for ${this.id} (workers: ${ended.join(', ')})`);
    }, patient);
  }
}

function idOf({ request }: WorkItem): string | undefined {
  return request.case === 'activityRequest' ? request.value.workflowInstance?.instanceId : request.value?.instanceId;
}
