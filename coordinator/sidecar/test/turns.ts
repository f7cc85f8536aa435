import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  HistoryEventSchema,
  WorkflowStatus,
  type HistoryEvent,
  type WorkflowActionSchema,
  type WorkflowResponseSchema,
  type WorkflowState,
} from '../src/gen/durable_task_pb.ts';
import { startSidecar, type Sidecar, type SidecarOptions } from '../src/index.ts';
import { RawClient, type RawWorker } from './raw-client.ts';
import { temporaryFolder } from './world.ts';

export type Action = MessageInitShape<typeof WorkflowActionSchema>;

export const schedule = (id: number, input = String(id)): Action => ({
  id,
  action: { case: 'scheduleTask', value: { name: 'work', input } },
});
export const complete = (id: number, result: string): Action => ({
  id,
  action: { case: 'completeWorkflow', value: { workflowStatus: WorkflowStatus.COMPLETED, result } },
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

export const decode = (events: Uint8Array[]): HistoryEvent[] =>
  events.map((bytes) => fromBinary(HistoryEventSchema, bytes));
export const kinds = (events: Uint8Array[]) => decode(events).map(({ event }) => event.case);
export const raisedValues = (events: Uint8Array[]) =>
  decode(events).flatMap(({ event }) => (event.case === 'eventRaised' ? [event.value.input] : []));

/** A sidecar, one client and one worker that does nothing by itself. */
export class Wire implements AsyncDisposable {
  readonly #folder: Disposable;
  readonly #options: SidecarOptions;
  sidecar: Sidecar;
  client: RawClient;
  worker: RawWorker;

  private constructor(folder: Disposable, options: SidecarOptions, sidecar: Sidecar) {
    this.#folder = folder;
    this.#options = options;
    this.sidecar = sidecar;
    this.client = new RawClient(sidecar.address);
    this.worker = this.client.worker();
  }

  static async open(options: Omit<SidecarOptions, 'path'> = {}): Promise<Wire> {
    const folder = temporaryFolder();
    const all: SidecarOptions = { path: join(folder.path, 'engine.db'), durability: 'normal', ...options };
    return new Wire(folder, all, await startSidecar(all));
  }

  get path(): string {
    return this.#options.path;
  }

  /** The same database under another sidecar, with a worker of its own. */
  async restart(options: Omit<SidecarOptions, 'path'> = {}): Promise<void> {
    this.worker.disconnect();
    this.client[Symbol.dispose]();
    await this.sidecar.close();
    this.sidecar = await startSidecar({ ...this.#options, ...options });
    this.client = new RawClient(this.sidecar.address);
    this.worker = this.client.worker();
  }

  reconnectWorker(): void {
    this.worker.disconnect();
    this.worker = this.client.worker();
  }

  start(instanceId: string = randomUUID(), name = 'flow') {
    return this.client.call('startInstance', { instanceId, name, input: '1' });
  }

  /** Starts an instance and answers its first turn. */
  async run(instanceId: string, actions: Action[]): Promise<void> {
    const started = this.start(instanceId);
    await this.worker.nextTurn();
    await this.answer(instanceId, actions);
    await started;
  }

  answer(instanceId: string, actions: Action[], more: MessageInitShape<typeof WorkflowResponseSchema> = {}) {
    return this.client.call('completeOrchestratorTask', { instanceId, actions, customStatus: '', ...more });
  }

  result(instanceId: string, taskId: number, result: string) {
    return this.client.call('completeActivityTask', { instanceId, taskId, result });
  }

  async state(instanceId: string): Promise<WorkflowState | undefined> {
    return (await this.client.call('getInstance', { instanceId, getInputsAndOutputs: true })).workflowState;
  }

  async history(instanceId: string): Promise<HistoryEvent[]> {
    return decode((await this.client.call('getInstanceHistory', { instanceId })).events);
  }

  purge(instanceId: string, options: { recursive?: boolean; force?: boolean } = {}) {
    return this.client.call('purgeInstances', { request: { case: 'instanceId', value: instanceId }, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.worker.disconnect();
    this.client[Symbol.dispose]();
    await this.sidecar.close();
    this.#folder[Symbol.dispose]();
  }
}
