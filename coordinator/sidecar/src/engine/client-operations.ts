import { randomUUID } from 'node:crypto';
import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { isTerminal, type Instance } from '../store/instances.ts';
import type { Engine } from './engine.ts';
import { eventRaised, executionResumed, executionSuspended } from './history-events.ts';
import { noSuchInstance } from './workflow-error.ts';

export interface StartRequest {
  /** Empty: one is made up. */
  readonly id: string;
  readonly executionId: string | undefined;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  readonly scheduledAt: number | undefined;
}

/** What clients may ask for, whatever protocol they ask in. All throw WorkflowError. */
export class ClientOperations {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Durable when it resolves. Waits for the first turn, as daprd does, unless a start time is given. */
  async start(request: StartRequest, signal: AbortSignal): Promise<string> {
    const id = request.id || randomUUID();
    const { scheduledAt } = request;
    const held = scheduledAt !== undefined && scheduledAt > this.#engine.now();
    const executionId = request.executionId ?? randomUUID();
    const instance = { ...request, id, executionId, held, parent: undefined };
    await this.#engine.commit((unit) => this.#engine.lifecycle.create(instance, unit));
    if (scheduledAt === undefined) await this.waitForStart(id, signal);
    return id;
  }

  get(id: string): Instance | undefined {
    return this.#engine.store.instances.byId(id);
  }

  /** An unknown instance is waited for. */
  waitForStart(id: string, signal: AbortSignal): Promise<void> {
    return this.#engine.waitUntil(id, (status) => status !== WorkflowStatus.PENDING, signal);
  }

  /** An unknown instance is waited for. */
  waitForCompletion(id: string, signal: AbortSignal): Promise<void> {
    return this.#engine.waitUntil(id, isTerminal, signal);
  }

  /** Kept until the workflow asks for it; without effect on an instance that has ended. */
  async raiseEvent(id: string, name: string, input: string | undefined): Promise<void> {
    const { store } = this.#engine;
    await this.#engine.commit((unit) => {
      const instance = this.#existing(id);
      if (isTerminal(instance.status)) return;
      store.inbox.add(instance.run, eventRaised(name, input, unit.now));
      unit.wokenInstances.add(id);
    });
  }

  async terminate(id: string, output: string | undefined, recursive: boolean): Promise<void> {
    await this.#engine.commit((unit) => {
      this.#engine.lifecycle.terminate(this.#existing(id), output, recursive, unit);
    });
  }

  /** Resolves when the workflow is suspended. A second suspend is swallowed: SDK 3.18 would loop for ever on it. */
  async suspend(id: string, reason: string | undefined, signal: AbortSignal): Promise<void> {
    const { store } = this.#engine;
    await this.#engine.commit((unit) => {
      const instance = this.#existing(id);
      if (isTerminal(instance.status) || instance.suspendRequested === 1) return;
      store.instances.requestSuspend(instance.run, true);
      store.inbox.add(instance.run, executionSuspended(reason, unit.now));
      unit.wokenInstances.add(id);
    });
    await this.#engine.waitUntil(
      id,
      (status) => status === WorkflowStatus.SUSPENDED || !this.#awaitsSuspend(id),
      signal,
    );
  }

  /** Resolves when the workflow goes on. */
  async resume(id: string, reason: string | undefined, signal: AbortSignal): Promise<void> {
    const { store } = this.#engine;
    await this.#engine.commit((unit) => {
      const instance = this.#existing(id);
      if (isTerminal(instance.status) || instance.suspendRequested === 0) return;
      store.instances.requestSuspend(instance.run, false);
      store.inbox.add(instance.run, executionResumed(reason, unit.now));
      unit.wokenInstances.add(id);
      // A suspend that still waits for its turn is pointless now.
      unit.statusChanged(id, instance.status);
    });
    await this.#engine.waitUntil(id, (status) => status !== WorkflowStatus.SUSPENDED, signal);
  }

  /** The number of instances deleted. */
  purge(id: string, options: { recursive: boolean; force: boolean }): Promise<number> {
    return this.#engine.commit(() => this.#engine.lifecycle.purge(id, options));
  }

  #existing(id: string): Instance {
    const instance = this.get(id);
    if (instance === undefined) throw noSuchInstance();
    return instance;
  }

  #awaitsSuspend(id: string): boolean {
    const instance = this.get(id);
    if (instance === undefined || isTerminal(instance.status) || instance.held === 1) return false;
    return instance.suspendRequested === 1;
  }
}
