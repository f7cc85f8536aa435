import { deepStrictEqual } from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromBinary } from '@bufbuild/protobuf';
import { WorkItemSchema } from '../../src/gen/durable_task_pb.ts';
import { temporaryFolder } from '../world.ts';

/**
 * Watches the side effects of a workload whose processes are killed. An activity may run again if it had no result on disk
 * when a process died; one whose result was committed must never run again.
 */
export class EffectAudit {
  readonly #folder: string;
  #committed = new Set<string>();
  #seen = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** To be called while no engine runs. */
  afterKill(): void {
    const keys = this.keys();
    const repeated = keys.slice(this.#seen).filter((key) => this.#committed.has(key));
    deepStrictEqual(repeated, [], 'activities ran again though their result was committed');
    const open = new Set(this.#openTasks());
    this.#committed = new Set(keys.filter((key) => !open.has(key)));
    this.#seen = keys.length;
  }

  /** Of all effects, in order, repeated ones included. */
  keys(): string[] {
    const path = join(this.#folder, 'effects.log');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  }

  /** Rows that stand for something still to do. */
  unfinished(): unknown {
    return this.#read((database) =>
      database
        .prepare(
          'SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM tasks) + (SELECT count(*) FROM timers) AS n',
        )
        .get(),
    )?.['n'];
  }

  /** Keys of the activities that have no result yet. */
  #openTasks(): string[] {
    return this.#read((database) => {
      const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'tasks'").get();
      if (tables?.['n'] === 0) return [];
      return database
        .prepare('SELECT work_item FROM tasks')
        .all()
        .map((row) => keyOf(row['work_item']));
    });
  }

  /** From a copy: opening the files themselves would repair what the next engine is to find. */
  #read<T>(query: (database: DatabaseSync) => T): T {
    using copy = temporaryFolder();
    for (const name of ['engine.db', 'engine.db-wal']) {
      const path = join(this.#folder, name);
      if (existsSync(path)) copyFileSync(path, join(copy.path, name));
    }
    using database = new DatabaseSync(join(copy.path, 'engine.db'));
    return query(database);
  }
}

function keyOf(workItem: unknown): string {
  if (!(workItem instanceof Uint8Array)) throw new TypeError('a task has no work item');
  const { request } = fromBinary(WorkItemSchema, workItem);
  if (request.case !== 'activityRequest') throw new TypeError('a task is not an activity');
  // What registerWorkflows passes to its activity.
  return (JSON.parse(request.value.input ?? '{}') as { key: string }).key;
}
