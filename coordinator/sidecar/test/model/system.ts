import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { vi } from 'vitest';
import { ClientOperations } from '../../src/engine/client-operations.ts';
import { Engine } from '../../src/engine/engine.ts';
import { WorkflowError } from '../../src/engine/workflow-error.ts';
import { WorkflowStatus } from '../../src/gen/durable_task_pb.ts';
import { silentLogger } from '../../src/logger.ts';
import { isTerminal } from '../../src/store/instances.ts';
import { prepareSchema } from '../../src/store/schema.ts';
import { SqliteDatabase } from '../../src/store/sqlite-database.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { SLEEP_MS, type Instruction } from './instruction.ts';
import type { Refusal, Seen, Status, WorkerMood } from './model.ts';
import { answerWorkItem } from './script-worker.ts';

/** Turns of the event loop, at each of which the faked timers go on by a tick. */
const PATIENCE_TURNS = 500;
const TICK_MS = 50;
const limits = { maxUnacked: 100, maxUnackedActivities: 90 };

export type Operation =
  | { readonly op: 'start'; readonly id: string }
  | { readonly op: 'raise'; readonly id: string; readonly instruction: Instruction }
  | { readonly op: 'suspend' | 'resume'; readonly id: string }
  | { readonly op: 'terminate'; readonly id: string; readonly recursive: boolean }
  | { readonly op: 'purge'; readonly id: string };

/**
 * A real engine on a real file, and a worker. It can be killed at any moment. Its clock is the test's, and `setTimeout` must
 * be faked.
 */
export class System implements AsyncDisposable {
  readonly done: string[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'model-'));
  readonly #sabotage: (store: Store) => Store;
  #life = 0;
  #now = Date.now();
  #mood: WorkerMood = 'prompt';
  #database: SqliteDatabase;
  #engine: Engine;
  #disconnect = (): void => {};
  #answering = 0;

  /** `sabotage` plants a fault. */
  static async start(sabotage: (store: Store) => Store = (store) => store): Promise<System> {
    const system = new System(sabotage);
    await system.#engine.start();
    system.setMood('prompt');
    return system;
  }

  private constructor(sabotage: (store: Store) => Store) {
    this.#sabotage = sabotage;
    ({ database: this.#database, engine: this.#engine } = this.#open());
  }

  /** Resolves when the engine has acknowledged it. */
  async perform(operation: Operation): Promise<Refusal | undefined> {
    try {
      await this.#send(operation);
      return undefined;
    } catch (error) {
      if (!(error instanceof WorkflowError)) throw error;
      // The model's refusals are the engine's codes; any other fails the comparison.
      return error.code as Refusal;
    }
  }

  /** What a kill leaves is what is in the files: they are copied, and the next engine opens the copy. */
  async kill(): Promise<void> {
    const [from, before] = [this.#path(), this.#database];
    const [engine, disconnect] = [this.#engine, this.#disconnect];
    this.#life += 1;
    mkdirSync(join(this.#folder, String(this.#life)));
    for (const suffix of ['', '-wal']) {
      if (existsSync(from + suffix)) copyFileSync(from + suffix, this.#path() + suffix);
    }
    engine.stop();
    disconnect();
    await before.close();
    ({ database: this.#database, engine: this.#engine } = this.#open());
    await this.#engine.start();
    this.setMood(this.#mood);
  }

  /** The operation arrives, and the kill comes before or after its commit; in neither case is it acknowledged. */
  async killDuring(operation: Operation, moment: 'before-commit' | 'after-commit'): Promise<void> {
    this.#send(operation).catch(() => {});
    if (moment === 'after-commit') this.#database.flush();
    await this.kill();
  }

  setMood(mood: WorkerMood): void {
    this.#mood = mood;
    this.#disconnect();
    this.#disconnect = () => {};
    if (mood === 'away') return;
    const engine = this.#engine;
    const disconnect = engine.connectWorker({ send: (bytes) => this.#work(engine, bytes), end: () => {} }, limits);
    this.#disconnect = disconnect;
  }

  async passTime(): Promise<void> {
    this.#now += SLEEP_MS;
    await this.#engine.recover();
  }

  /** Until nothing more happens by itself. What the engine lets rest for a while does not have to be waited for. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < PATIENCE_TURNS; turn += 1) {
      await setImmediate();
      if (this.#mood === 'stuck' || this.#mood === 'away') return;
      if (this.#answering === 0 && this.#isIdle()) return;
      vi.advanceTimersByTime(TICK_MS);
    }
  }

  see(): Record<string, Seen> {
    const { instances } = this.#engine.store;
    return Object.fromEntries(
      this.#database.all<{ id: string }>('SELECT id FROM instances').flatMap(({ id }) => {
        const instance = instances.byId(id);
        if (instance === undefined) return [];
        // The worker's custom status, and the output if there is one, are its notes.
        const notes = JSON.parse(instance.customStatus || '[]') as string[];
        const { output } = instances.payloads(instance.run);
        const isConsistent = instance.status !== WorkflowStatus.COMPLETED || output === instance.customStatus;
        return [
          [
            id,
            {
              status: isConsistent ? (statusNames[instance.status] ?? `status ${instance.status}`) : 'wrong output',
              notes,
            },
          ],
        ];
      }),
      // A status the model has no word for fails the comparison.
    ) as Record<string, Seen>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine.stop();
    this.#disconnect();
    await this.#database.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(): string {
    return join(this.#folder, String(this.#life), 'engine.db');
  }

  #open(): { database: SqliteDatabase; engine: Engine } {
    mkdirSync(join(this.#folder, String(this.#life)), { recursive: true });
    const database = new SqliteDatabase(this.#path(), 'normal', () => {});
    prepareSchema(database);
    const store = this.#sabotage(createStore(database));
    const engine = new Engine({ store, logger: silentLogger, now: () => this.#now, maxMessageBytes: 1_000_000 });
    return { database, engine };
  }

  async #send(operation: Operation): Promise<void> {
    const operations = new ClientOperations(this.#engine);
    const { id } = operation;
    switch (operation.op) {
      case 'start': {
        const rest = { executionId: undefined, version: undefined, input: undefined, scheduledAt: undefined };
        await operations.create({ id, name: 'script', ...rest });
        return;
      }
      case 'raise':
        return operations.raiseEvent(id, 'instruction', JSON.stringify(operation.instruction));
      case 'suspend':
        return operations.requestSuspend(id, undefined);
      case 'resume':
        return operations.requestResume(id, undefined);
      case 'terminate':
        return operations.terminate(id, undefined, operation.recursive);
      case 'purge':
        await operations.purge(id, { recursive: false, force: false });
        return;
      default:
        operation satisfies never;
    }
  }

  #work(engine: Engine, bytes: Uint8Array): void {
    if (this.#mood === 'stuck') return;
    const answer = answerWorkItem(bytes);
    if (this.#mood === 'busy' && 'activity' in answer) return;
    this.#answering += 1;
    const answered =
      'turn' in answer ? engine.completeTurn(answer.turn, bytes.length) : engine.completeActivity(answer.activity, 1);
    if ('text' in answer) this.done.push(answer.text);
    answered
      .catch(() => {})
      .finally(() => {
        this.#answering -= 1;
      })
      .catch(() => {});
  }

  #isIdle(): boolean {
    const { instances, tasks } = this.#engine.store;
    if (this.#mood === 'prompt' && tasks.all().length > 0) return false;
    return instances.idsWithInbox().every((id) => isTerminal(instances.byId(id)?.status ?? WorkflowStatus.RUNNING));
  }
}

const statusNames: Readonly<Record<number, Status>> = {
  [WorkflowStatus.PENDING]: 'pending',
  [WorkflowStatus.RUNNING]: 'running',
  [WorkflowStatus.SUSPENDED]: 'suspended',
  [WorkflowStatus.COMPLETED]: 'completed',
  [WorkflowStatus.TERMINATED]: 'terminated',
};
