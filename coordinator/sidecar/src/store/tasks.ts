import type { SqliteDatabase } from './sqlite-database.ts';

/** Which activity a task row stands for. */
export interface TaskRef {
  readonly id: number;
  readonly run: number;
  readonly instanceId: string;
  readonly taskId: number;
}

/**
 * Activities that have no result yet. A row outlives the end of its workflow: an activity once scheduled is run at least
 * once, though nobody may be left to hear of it.
 */
export class TaskStore {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  insert(task: Omit<TaskRef, 'id'> & { executionId: string; workItem: Uint8Array }): TaskRef {
    const { lastInsertRowid } = this.#database.run(
      'INSERT INTO tasks (run, execution_id, instance_id, task_id, work_item) VALUES (?, ?, ?, ?, ?)',
      task.run,
      task.executionId,
      task.instanceId,
      task.taskId,
      task.workItem,
    );
    return { id: lastInsertRowid, run: task.run, instanceId: task.instanceId, taskId: task.taskId };
  }

  all(): TaskRef[] {
    return this.#database.all<TaskRef>(
      'SELECT id, run, instance_id AS instanceId, task_id AS taskId FROM tasks ORDER BY id',
    );
  }

  /** Undefined if the task is gone: purged with its instance. */
  workItem(task: TaskRef): Uint8Array | undefined {
    return this.#database.get<{ work_item: Uint8Array }>(
      'SELECT work_item FROM tasks WHERE id = ? AND run = ?',
      task.id,
      task.run,
    )?.work_item;
  }

  /** Deletes the task; the generation it belonged to, or undefined if it was gone already. */
  take(task: TaskRef): string | undefined {
    return this.#database.get<{ execution_id: string }>(
      'DELETE FROM tasks WHERE id = ? AND run = ? RETURNING execution_id',
      task.id,
      task.run,
    )?.execution_id;
  }
}
