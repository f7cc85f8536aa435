import type { Database, TaskCore } from '@daca-mesh/protocol/server';
import type { Signals } from '../store/signals.ts';

/** What the units of runs and calls need: those of the inbox, and a look at the run's task. */
export interface UnitDeps {
  signals: Signals;
  core: Pick<TaskCore, 'append' | 'load' | 'create'>;
}

/** The same with the database that commits them. */
export interface StoreDeps extends UnitDeps {
  database: Database;
}
