import { afterCommit, run, type Unit } from '@daca-mesh/protocol/server';
import { type DeadlineRow, query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';

/** Sets the deadline of a kind for a row; an earlier one of the same kind and row is replaced. */
export function* setDeadline(signals: Signals, deadline: DeadlineRow): Unit<void> {
  yield* run(
    query
      .insertInto('deadlines')
      .values(deadline)
      .onConflict((conflict) => conflict.columns(['kind', 'ref']).doUpdateSet({ due_at: deadline.due_at }))
      .compile(),
  );
  yield* afterCommit(() => signals.deadlines.emit());
}

/** Removes a deadline; nothing happens where there is none. */
export function* clearDeadline(kind: DeadlineRow['kind'], ref: string): Unit<void> {
  yield* run(query.deleteFrom('deadlines').where('kind', '=', kind).where('ref', '=', ref).compile());
}
