import { afterCommit, all, first, killPoint, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { type MapItemRow, query, type RunRow } from '../store/schema.ts';
import type { ItemOutcome, KitActivities, MapItem, UndoRecord } from '../workflow-kit/contract.ts';
import { type MapProgress, mapProgress } from '../workflow-kit/map-progress.ts';

/**
 * The items of a `map`: one row each. A lane takes one at a time, and an item stays with the lane that took it until it
 * is settled, so that a lane that asks again, or is started over, is given the same one.
 */

type Key = Pick<MapItemRow, 'map_id' | 'item'>;

const insertItem = statement<Key & Pick<MapItemRow, 'run_id' | 'input'>, unknown>((value) =>
  query
    .insertInto('map_items')
    .values({
      map_id: value('map_id'),
      item: value('item'),
      run_id: value('run_id'),
      lane_id: null,
      input: value('input'),
      outcome: null,
      undos: null,
    })
    .onConflict((conflict) => conflict.doNothing()),
);

/** Writes the rows of items; those that are there stay as they are. */
export function* putItems({ runId, mapId, from, items }: Parameters<KitActivities['putItems']>[0]): Unit<void> {
  for (const [position, input] of items.entries()) {
    const row = { map_id: mapId, item: from + position, run_id: runId, input: JSON.stringify(input ?? null) };
    yield* run(insertItem(row));
  }
}

const settleItem = statement<Key & Pick<MapItemRow, 'lane_id' | 'outcome' | 'undos'>, unknown>((value) =>
  query
    .updateTable('map_items')
    .set({ outcome: value('outcome'), undos: value('undos') })
    .where('map_id', '=', value('map_id'))
    .where('item', '=', value('item'))
    .where('lane_id', '=', value('lane_id'))
    .where('outcome', 'is', null),
);

const selectTaken = statement<{ map_id: string; lane_id: string }, Pick<MapItemRow, 'item' | 'input'>>((value) =>
  query
    .selectFrom('map_items')
    .select(['item', 'input'])
    .where('map_id', '=', value('map_id'))
    .where('lane_id', '=', value('lane_id'))
    .where('outcome', 'is', null)
    .limit(1),
);

/** Left to itself, SQLite looks for the first free item by the primary key, past every item that was taken. */
const selectFree = statement<{ map_id: string }, Pick<MapItemRow, 'item' | 'input'>>(
  (value) => sql<Pick<MapItemRow, 'item' | 'input'>>`
    SELECT item, input FROM map_items INDEXED BY map_items_free
    WHERE map_id = ${value('map_id')} AND lane_id IS NULL ORDER BY item LIMIT 1`,
);

const takeItem = statement<Key & { lane_id: string }, unknown>((value) =>
  query
    .updateTable('map_items')
    .set({ lane_id: value('lane_id') })
    .where('map_id', '=', value('map_id'))
    .where('item', '=', value('item'))
    .where('lane_id', 'is', null),
);

interface Counts {
  run_id: string;
  last: number;
  free: number | null;
  taken: number;
}

/** Where a map stands: its last item, its first free one, and how many the lanes have. No row is read that has ended. */
const selectCounts = statement<{ map_id: string }, Counts>(
  (value) => sql<Counts>`
    SELECT run_id, item AS last,
      (SELECT item FROM map_items INDEXED BY map_items_free
        WHERE map_id = ${value('map_id')} AND lane_id IS NULL ORDER BY item LIMIT 1) AS free,
      (SELECT count(*) FROM map_items INDEXED BY map_items_taken
        WHERE map_id = ${value('map_id')} AND lane_id > '' AND outcome IS NULL) AS taken
    FROM map_items WHERE map_id = ${value('map_id')} ORDER BY item DESC LIMIT 1`,
);

/** What is to be told now that one more item has ended. Items are taken in order, so those before the first free one are. */
function* progressOf(mapId: string, items: string): Unit<(MapProgress & { runId: string }) | undefined> {
  const counts = yield* first(selectCounts({ map_id: mapId }));
  if (!counts) return undefined;
  const total = counts.last + 1;
  const reached = mapProgress((counts.free ?? total) - counts.taken, total, items);
  return reached && { ...reached, runId: counts.run_id };
}

/** Settles the item a lane has, and gives it the next one, in one commit. `tell` makes the run's progress known. */
export function* nextItem(
  { runId: laneId, mapId, settled, progress }: Parameters<KitActivities['nextItem']>[0],
  tell: (progress: MapProgress & { runId: string }) => Unit<void>,
): Unit<{ item?: MapItem }> {
  const lane = { map_id: mapId, lane_id: laneId };
  if (settled) {
    const { index, outcome, undos } = settled;
    const isNew = yield* run(
      settleItem({
        ...lane,
        item: index,
        outcome: JSON.stringify(outcome),
        undos: undos.length > 0 ? JSON.stringify(undos) : null,
      }),
    );
    const reached = isNew === 1 && progress !== undefined ? yield* progressOf(mapId, progress) : undefined;
    if (reached) yield* tell(reached);
    yield* afterCommit(() => killPoint('item-settled'));
  }
  const taken = yield* first(selectTaken(lane));
  if (taken) return { item: toItem(taken) };
  const free = yield* first(selectFree({ map_id: mapId }));
  if (!free) return {};
  yield* run(takeItem({ ...lane, item: free.item }));
  return { item: toItem(free) };
}

const toItem = ({ item, input }: Pick<MapItemRow, 'item' | 'input'>): MapItem => ({
  index: item,
  // Written by putItems from a JSON value.
  input: JSON.parse(input) as unknown,
});

/** How much is given at a time, in items and in characters of their outcomes. */
const maxItems = 500;
const maxChars = 1024 * 1024;

/** A part of the outcomes of a map whose lanes have ended. */
export function* itemOutcomes(
  mapId: string,
  from: number,
): Unit<{ outcomes: ItemOutcome[]; undoable: boolean; next?: number }> {
  const rows = yield* all(
    query
      .selectFrom('map_items')
      .select(['item', 'outcome', 'undos'])
      .where('map_id', '=', mapId)
      .where('item', '>=', from)
      .orderBy('item')
      .limit(maxItems + 1)
      .compile(),
  );
  const outcomes: ItemOutcome[] = [];
  let undoable = false;
  let chars = 0;
  for (const { item, outcome, undos } of rows) {
    const json = outcome ?? notSettled;
    if (outcomes.length === maxItems || (outcomes.length > 0 && chars + json.length > maxChars)) {
      return { outcomes, undoable, next: item };
    }
    // Written by nextItem from this type.
    outcomes.push(JSON.parse(json) as ItemOutcome);
    undoable ||= undos !== null;
    chars += json.length;
  }
  return { outcomes, undoable };
}

const notSettled = JSON.stringify({
  ok: false,
  failure: { code: 'INTERNAL', message: 'the item was not worked on', retryable: false },
} satisfies ItemOutcome);

const selectUndos = statement<{ map_id: string }, Pick<MapItemRow, 'item' | 'undos'>>((value) =>
  query
    .selectFrom('map_items')
    .select(['item', 'undos'])
    .where('map_id', '=', value('map_id'))
    .where('undos', 'is not', null)
    .orderBy('item'),
);

const selectLaneUndos = statement<{ map_id: string }, Pick<RunRow, 'path' | 'undos'>>((value) =>
  query
    .selectFrom('runs')
    .select(['path', 'undos'])
    .where('undos', 'is not', null)
    .where('run_id', 'in', (eb) =>
      eb
        .selectFrom('map_items')
        .select('lane_id')
        .where('map_id', '=', value('map_id'))
        .where('lane_id', 'is not', null),
    )
    .orderBy('run_id'),
);

/** What is to be undone of all items, settled or given up in the middle, in order of completion over all lanes. */
export function* undosOfMap(mapId: string): Unit<UndoRecord[]> {
  const settled = yield* all(selectUndos({ map_id: mapId }));
  const givenUp = yield* all(selectLaneUndos({ map_id: mapId }));
  const records = [
    ...settled.flatMap(({ item, undos }) => labelledUndos(undos, `of item ${item}`)),
    ...givenUp.flatMap(({ path, undos }) => labelledUndos(undos, `of child ${path}`)),
  ];
  return records.toSorted((a, b) => a.at - b.at);
}

/** A stored undo list, each entry saying whose it is. */
export function labelledUndos(undos: string | null, whose: string): UndoRecord[] {
  // Written by nextItem and finishRun from this type.
  const records = JSON.parse(undos ?? '[]') as UndoRecord[];
  for (const record of records) record.label += ` ${whose}`;
  return records;
}
