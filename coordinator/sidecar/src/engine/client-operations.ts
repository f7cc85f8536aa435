import { randomUUID } from 'node:crypto';
import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { isTerminal, type CreationFilter, type Instance } from '../store/instances.ts';
import type { Engine } from './engine.ts';
import { eventRaised, executionResumed, executionSuspended } from './history-events.ts';
import { purgeMatching } from './purge-matching.ts';
import type { RerunRequest } from './rerun.ts';
import { noSuchInstance, WorkflowError } from './workflow-error.ts';

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

  /** Waits for the first turn, as daprd does over gRPC, unless a start time is given. */
  async start(request: StartRequest, signal: AbortSignal): Promise<string> {
    const id = await this.create(request);
    if (request.scheduledAt === undefined) await this.waitForStart(id, signal);
    return id;
  }

  /** Durable when it resolves; it has not begun then. */
  async create(request: StartRequest): Promise<string> {
    const id = request.id || randomUUID();
    const { scheduledAt } = request;
    const held = scheduledAt !== undefined && scheduledAt > this.#engine.now();
    const executionId = request.executionId ?? randomUUID();
    const instance = { ...request, id, executionId, held, parent: undefined };
    await this.#engine.commit((unit) => this.#engine.lifecycle.create(instance, unit));
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
      this.#engine.lifecycle.refuseIfStalled(instance);
      unit.steps?.push('raise');
      store.inbox.add(instance.run, eventRaised(name, input, unit.eventTime()));
      unit.wokenInstances.add(id);
    });
  }

  async terminate(id: string, output: string | undefined, recursive: boolean): Promise<void> {
    await this.#engine.commit((unit) => {
      this.#engine.lifecycle.terminate(this.#existing(id), output, recursive, unit);
    });
  }

  /** Resolves when the workflow is suspended. */
  async suspend(id: string, reason: string | undefined, signal: AbortSignal): Promise<void> {
    await this.requestSuspend(id, reason);
    await this.#engine.waitUntil(
      id,
      (status) => status === WorkflowStatus.SUSPENDED || !this.#awaitsSuspend(id),
      signal,
    );
    const { lifecycle, store } = this.#engine;
    const instance = await store.database.read(() => this.get(id));
    if (instance !== undefined) lifecycle.refuseIfStalled(instance);
  }

  /** Durable when it resolves. A second suspend is swallowed: SDK 3.18 would loop for ever on it. */
  async requestSuspend(id: string, reason: string | undefined): Promise<void> {
    const { store } = this.#engine;
    await this.#engine.commit((unit) => {
      const instance = this.#existing(id);
      if (isTerminal(instance.status)) return;
      this.#engine.lifecycle.refuseIfStalled(instance);
      if (instance.suspendRequested === 1) return;
      unit.steps?.push('suspend');
      store.instances.requestSuspend(instance.run, true);
      store.inbox.add(instance.run, executionSuspended(reason, unit.now));
      unit.wokenInstances.add(id);
    });
  }

  /** Resolves when the workflow goes on. One that is quarantined tries again. */
  async resume(id: string, reason: string | undefined, signal: AbortSignal): Promise<void> {
    await this.requestResume(id, reason);
    await this.#engine.waitUntil(id, (status) => status !== WorkflowStatus.SUSPENDED, signal);
  }

  /** Durable when it resolves. */
  async requestResume(id: string, reason: string | undefined): Promise<void> {
    const { store } = this.#engine;
    await this.#engine.commit((unit) => {
      const instance = this.#existing(id);
      if (isTerminal(instance.status)) return;
      this.#engine.lifecycle.refuseIfStalled(instance);
      this.#engine.lifecycle.unstall(instance, unit);
      if (instance.suspendRequested === 0) return;
      unit.steps?.push('resume');
      store.instances.requestSuspend(instance.run, false);
      store.inbox.add(instance.run, executionResumed(reason, unit.now));
      unit.wokenInstances.add(id);
      // A suspend that still waits for its turn is pointless now.
      unit.statusChanged(id, this.#existing(id).status);
    });
  }

  /** The number of instances deleted. */
  purge(id: string, options: { recursive: boolean; force: boolean }): Promise<number> {
    return this.#engine.commit((unit) => {
      unit.steps?.push('purge');
      return this.#engine.lifecycle.purge(id, options);
    });
  }

  /** Deletes whatever the filter matches and has ended, or all it matches if forced; the number of instances deleted. */
  purgeMatching(filter: CreationFilter, options: { recursive: boolean; force: boolean }): Promise<number> {
    return purgeMatching(this.#engine, filter, options);
  }

  /** Ids of all instances, children too, in the order of creation; with a token if there may be more. */
  list(pageSize: number, continuationToken: string | undefined): { ids: string[]; continuationToken?: string } {
    const after = continuationToken ?? '0';
    if (!/^\d+$/.test(after)) throw new WorkflowError('INVALID_ARGUMENT', `invalid continuation token '${after}'`);
    const page = this.#engine.store.instances.list(Number(after), pageSize);
    const last = page.length === pageSize ? page.at(-1) : undefined;
    return { ids: page.map(({ id }) => id), ...(last !== undefined && { continuationToken: String(last.run) }) };
  }

  /** Encoded events of the present generation. Those that no turn has taken yet are not among them. */
  history(id: string): Uint8Array[] {
    const instance = this.get(id);
    if (instance === undefined) throw new WorkflowError('NOT_IN_HISTORY', `workflow instance '${id}' not found`);
    return this.#engine.store.history.events(instance.run);
  }

  /** Durable when it resolves; returns the id of the new instance, which goes on at once. */
  rerun(request: RerunRequest): Promise<string> {
    return this.#engine.commit((unit) => this.#engine.rerun.start(request, unit));
  }

  #existing(id: string): Instance {
    const instance = this.get(id);
    if (instance === undefined) throw noSuchInstance();
    return instance;
  }

  #awaitsSuspend(id: string): boolean {
    const instance = this.get(id);
    if (instance === undefined || isTerminal(instance.status) || instance.held === 1) return false;
    if (instance.status === WorkflowStatus.STALLED) return false;
    return instance.suspendRequested === 1;
  }
}
