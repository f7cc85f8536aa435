import type { Database, TaskCore, Unit } from '@daca-mesh/protocol/server';
import type { InboxDeps } from '../inbox/show-questions.ts';
import type { RunRow } from '../store/schema.ts';
import type { RunEnd } from '../workflow-kit/contract.ts';

/** Joins the commit in which a run ends. */
export type RunEndListener = (row: RunRow, end: RunEnd) => Unit<void>;

/** What the units of runs and calls need: those of the inbox, and a look at the run's task. */
export interface UnitDeps extends InboxDeps {
  core: Pick<TaskCore, 'append' | 'load' | 'create'>;
  /** Told when a run ends that is no child, in the commit that ends it. */
  onRunEnd?: RunEndListener;
}

/** The same with the database that commits them. */
export interface StoreDeps extends UnitDeps {
  database: Database;
}
