import { afterCommit, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { type DeadlineRow, query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';

const upsert = statement<DeadlineRow, unknown>((value) =>
  query
    .insertInto('deadlines')
    .values({ kind: value('kind'), ref: value('ref'), run_id: value('run_id'), due_at: value('due_at') })
    .onConflict((conflict) => conflict.columns(['kind', 'ref']).doUpdateSet({ due_at: value('due_at') })),
);

const remove = statement<Pick<DeadlineRow, 'kind' | 'ref'>, unknown>((value) =>
  query.deleteFrom('deadlines').where('kind', '=', value('kind')).where('ref', '=', value('ref')),
);

/** Sets the deadline of a kind for a row; an earlier one of the same kind and row is replaced. */
export function* setDeadline(signals: Signals, deadline: DeadlineRow): Unit<void> {
  yield* run(upsert(deadline));
  yield* afterCommit(() => signals.deadlines.emit(deadline.due_at));
}

/** Removes a deadline; nothing happens where there is none. */
export function* clearDeadline(kind: DeadlineRow['kind'], ref: string): Unit<void> {
  yield* run(remove({ kind, ref }));
}
