import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

/** An instance without its payloads: what a turn needs to know. */
export interface Instance {
  readonly run: number;
  readonly id: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | null;
  /** JSON array of the patches that the worker's code has applied so far, if it uses any. */
  readonly patches: string | null;
  readonly status: WorkflowStatus;
  /** 1 while a scheduled start is still to come. */
  readonly held: 0 | 1;
  readonly suspendRequested: 0 | 1;
  readonly customStatus: string;
  readonly historyLength: number;
  readonly parentRun: number | null;
  readonly parentId: string | null;
  readonly parentExecutionId: string | null;
  readonly parentTaskId: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly scheduledAt: number | null;
  readonly completedAt: number | null;
}

/** The instance that asked for a child, and the action it asked with. */
export interface Parent {
  readonly instance: Instance;
  readonly taskId: number;
}

export interface NewInstance {
  readonly id: string;
  readonly executionId: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  readonly scheduledAt: number | undefined;
  readonly held: boolean;
  readonly parent: Parent | undefined;
}

export interface CreationFilter {
  /** Milliseconds, both inclusive. */
  readonly from: number;
  readonly to: number;
  /** Empty: any. */
  readonly statuses: ReadonlySet<WorkflowStatus>;
}

export interface Payloads {
  readonly input: string | null;
  readonly output: string | null;
  readonly failure: Uint8Array | null;
}

const COLUMNS = `run, id, execution_id AS executionId, name, version, patches, status, held, suspend_requested AS suspendRequested,
  custom_status AS customStatus, history_length AS historyLength, parent_run AS parentRun, parent_id AS parentId,
  parent_execution_id AS parentExecutionId, parent_task_id AS parentTaskId, created_at AS createdAt,
  updated_at AS updatedAt, scheduled_at AS scheduledAt, completed_at AS completedAt`;

export function isTerminal(status: WorkflowStatus): boolean {
  return (
    status === WorkflowStatus.COMPLETED ||
    status === WorkflowStatus.FAILED ||
    status === WorkflowStatus.CANCELED ||
    status === WorkflowStatus.TERMINATED
  );
}

/** The rows of `instances` and `payloads`. */
export class InstanceStore {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  byId(id: string): Instance | undefined {
    return this.#database.get<Instance>(`SELECT ${COLUMNS} FROM instances WHERE id = ?`, id);
  }

  byRun(run: number): Instance | undefined {
    return this.#database.get<Instance>(`SELECT ${COLUMNS} FROM instances WHERE run = ?`, run);
  }

  payloads(run: number): Payloads {
    const payloads = this.#database.get<Payloads>('SELECT input, output, failure FROM payloads WHERE run = ?', run);
    return payloads ?? { input: null, output: null, failure: null };
  }

  /** Of the parent's present generation: those of an earlier one are nobody's any more. */
  children(parent: Instance): Instance[] {
    return this.#database.all<Instance>(
      `SELECT ${COLUMNS} FROM instances WHERE parent_run = ? AND parent_execution_id = ? ORDER BY parent_task_id`,
      parent.run,
      parent.executionId,
    );
  }

  /** Instances that wait for another worker or other limits. */
  stalled(): Pick<Instance, 'run' | 'id'>[] {
    return this.#database.all<Pick<Instance, 'run' | 'id'>>(
      `SELECT run, id FROM instances WHERE status = ${WorkflowStatus.STALLED} ORDER BY run`,
    );
  }

  /** Ids in the order of creation, from after the given run. */
  list(afterRun: number, limit: number): Pick<Instance, 'run' | 'id'>[] {
    return this.#database.all<Pick<Instance, 'run' | 'id'>>(
      'SELECT run, id FROM instances WHERE run > ? ORDER BY run LIMIT ?',
      afterRun,
      limit,
    );
  }

  /** In the order of creation; `after` is the last one of the page before. */
  created(filter: CreationFilter, after: Pick<Instance, 'createdAt' | 'run'> | undefined, limit: number): Instance[] {
    const statuses = [...filter.statuses];
    const inStatus = statuses.length === 0 ? '' : `AND status IN (${statuses.map(() => '?').join(', ')})`;
    return this.#database.all<Instance>(
      `SELECT ${COLUMNS} FROM instances WHERE created_at BETWEEN ? AND ? AND (created_at, run) > (?, ?) ${inStatus}
       ORDER BY created_at, run LIMIT ?`,
      filter.from,
      filter.to,
      after?.createdAt ?? filter.from,
      after?.run ?? 0,
      ...statuses,
      limit,
    );
  }

  /** Instances that ended with this status, and before this time: the oldest first. */
  endedBefore(status: WorkflowStatus, time: number, limit: number): number[] {
    const rows = this.#database.all<{ run: number }>(
      `SELECT run FROM instances WHERE completed_at IS NOT NULL AND status = ? AND completed_at < ?
       ORDER BY completed_at LIMIT ?`,
      status,
      time,
      limit,
    );
    return rows.map(({ run }) => run);
  }

  /** Ids of all instances that have something in their inbox. */
  idsWithInbox(): string[] {
    const rows = this.#database.all<{ id: string }>(
      'SELECT id FROM instances WHERE run IN (SELECT run FROM inbox) ORDER BY run',
    );
    return rows.map((row) => row.id);
  }

  insert(instance: NewInstance, now: number): number {
    const { parent } = instance;
    const { lastInsertRowid: run } = this.#database.run(
      `INSERT INTO instances (id, execution_id, name, version, status, held, parent_run, parent_id, parent_execution_id,
         parent_task_id, created_at, updated_at, scheduled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      instance.id,
      instance.executionId,
      instance.name,
      instance.version ?? null,
      WorkflowStatus.PENDING,
      instance.held ? 1 : 0,
      parent?.instance.run ?? null,
      parent?.instance.id ?? null,
      parent?.instance.executionId ?? null,
      parent?.taskId ?? null,
      now,
      now,
      instance.scheduledAt ?? null,
    );
    this.#database.run('INSERT INTO payloads (run, input) VALUES (?, ?)', run, instance.input ?? null);
    return run;
  }

  /** After a turn that goes on. */
  advance(run: number, status: WorkflowStatus, historyLength: number, customStatus: string, now: number): void {
    this.#database.run(
      'UPDATE instances SET status = ?, history_length = ?, custom_status = ?, updated_at = ? WHERE run = ?',
      status,
      historyLength,
      customStatus,
      now,
      run,
    );
  }

  /** After the last turn, or a termination. */
  complete(
    run: number,
    end: { status: WorkflowStatus; output: string | undefined; failure: Uint8Array | undefined },
    historyLength: number,
    customStatus: string,
    now: number,
  ): void {
    this.#database.run(
      `UPDATE instances SET status = ?, history_length = ?, custom_status = ?, updated_at = ?, completed_at = ?, held = 0
       WHERE run = ?`,
      end.status,
      historyLength,
      customStatus,
      now,
      now,
      run,
    );
    this.#database.run(
      'UPDATE payloads SET output = ?, failure = ? WHERE run = ?',
      end.output ?? null,
      end.failure ?? null,
      run,
    );
  }

  /** The next generation of the same run. */
  restart(run: number, executionId: string, input: string | undefined, customStatus: string, now: number): void {
    this.#database.run(
      'UPDATE instances SET execution_id = ?, status = ?, patches = NULL, history_length = 0, custom_status = ?, updated_at = ? WHERE run = ?',
      executionId,
      WorkflowStatus.RUNNING,
      customStatus,
      now,
      run,
    );
    this.#database.run('UPDATE payloads SET input = ? WHERE run = ?', input ?? null, run);
  }

  /** `failure` says why; a later end overwrites it. */
  stall(run: number, failure: Uint8Array, now: number): void {
    this.#setStatus(run, WorkflowStatus.STALLED, now);
    this.#database.run('UPDATE payloads SET failure = ? WHERE run = ?', failure, run);
  }

  unstall(run: number, status: WorkflowStatus, now: number): void {
    this.#setStatus(run, status, now);
    this.#database.run('UPDATE payloads SET failure = NULL WHERE run = ?', run);
  }

  setVersion(run: number, version: string | null, patches: string | null): void {
    this.#database.run('UPDATE instances SET version = ?, patches = ? WHERE run = ?', version, patches, run);
  }

  release(run: number): void {
    this.#database.run('UPDATE instances SET held = 0 WHERE run = ?', run);
  }

  requestSuspend(run: number, requested: boolean): void {
    this.#database.run('UPDATE instances SET suspend_requested = ? WHERE run = ?', requested ? 1 : 0, run);
  }

  delete(run: number): void {
    for (const table of ['history', 'inbox', 'tasks', 'timers', 'payloads', 'instances']) {
      this.#database.run(`DELETE FROM ${table} WHERE run = ?`, run);
    }
  }

  #setStatus(run: number, status: WorkflowStatus, now: number): void {
    this.#database.run('UPDATE instances SET status = ?, updated_at = ? WHERE run = ?', status, now, run);
  }
}
