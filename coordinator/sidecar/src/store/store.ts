import { History } from './history.ts';
import { Inbox } from './inbox.ts';
import { InstanceStore } from './instances.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { TaskStore } from './tasks.ts';
import { TimerStore } from './timers.ts';

/** All tables of one database. */
export interface Store {
  readonly database: SqliteDatabase;
  readonly instances: InstanceStore;
  readonly history: History;
  readonly inbox: Inbox;
  readonly tasks: TaskStore;
  readonly timers: TimerStore;
}

export function createStore(database: SqliteDatabase): Store {
  return {
    database,
    instances: new InstanceStore(database),
    history: new History(database),
    inbox: new Inbox(database),
    tasks: new TaskStore(database),
    timers: new TimerStore(database),
  };
}
