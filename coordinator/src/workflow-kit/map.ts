import { all, type BranchResult } from './all.ts';
import { requireUsed, runChild } from './child.ts';
import type { ActivityOutput } from './activity-message.ts';
import { fromFailure } from './failure.ts';
import { mapIdOf } from './identity.ts';
import { invoke } from './invoke.ts';
import { laneOf } from './lane.ts';
import { type MapProgress, mapProgress } from './map-progress.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { runWorkflow } from './run-workflow.ts';
import type { Undo } from './undo-list.ts';
import type { WorkflowDefinition } from './workflow.ts';

export interface MapOptions {
  /** How many items are under way at a time; default 10. */
  limit?: number;
  /** `fail-fast` (default): the first failure gives up the other items and is thrown. `collect`: every item ends. */
  onFailure?: 'collect' | 'fail-fast';
  /** Tells whoever follows the run how many items have ended, under this name: `devices` makes `12 of 50 devices`. */
  progress?: string;
}

const defaultLimit = 10;
/**
 * So many items of a workflow without children the run works on itself: the history they make is short, and an instance for
 * each would cost many times what the item does.
 */
const maxOwnItems = 20;
/** Items that are stored at a time: so many, or so much. */
const maxItems = 500;
const maxChars = 1024 * 1024;

/**
 * Runs a workflow for each of many items. Few are branches of the run itself. Many are rows: at most `limit` lanes, each
 * a child, take them one by one and store what became of them, so that neither the parent's history nor a lane's grows
 * with their number.
 */
export async function* map(
  mesh: Mesh,
  run: Run,
  items: readonly unknown[],
  definition: WorkflowDefinition,
  options: MapOptions,
): Step<BranchResult<unknown>[]> {
  const { limit = defaultLimit, onFailure = 'fail-fast', progress } = options;
  if (!(limit >= 1)) throw new TypeError('limit must be at least 1');
  requireUsed(run, definition);
  const { branch, path } = yield* run.enter();
  if (items.length === 0) return [];
  if (items.length <= maxOwnItems && definition.uses.length === 0) {
    const ended = counter(items.length, progress);
    const steps = items.map((item) => workOnOwn(mesh, run, definition, item, onFailure, ended));
    return yield* all(run, steps, { limit, onFailure });
  }
  const mapId = mapIdOf(run, path);
  for (const { from, part } of portions(items)) {
    yield* invoke(run, 'putItems', `${path}.items-${from}`, { mapId, from, items: part });
  }
  const laneInput = { mapId, onFailure, ...(progress === undefined ? {} : { progress }) };
  const undo: Undo = {
    branch,
    label: `${definition.name} at ${path}`,
    skip: false,
    result: undefined,
    handed: { mapId },
    action: () => undefined,
  };
  run.undos.push(undo);
  const lanes = Array.from({ length: Math.min(limit, items.length) }, (_, lane) =>
    runLane(run, `${path}[lane ${lane}]`, laneOf(definition), laneInput),
  );
  yield* all(run, lanes, {});
  const { results, undoable } = yield* readOutcomes(run, mapId, path);
  Object.assign(undo, { skip: !undoable, at: run.orchestration.now().getTime() });
  return results;
}

/** Counts the items that end, and says when that is to be told. */
function counter(total: number, items: string | undefined): () => MapProgress | undefined {
  let ended = 0;
  return () => (items === undefined ? undefined : mapProgress(++ended, total, items));
}

async function* workOnOwn(
  mesh: Mesh,
  run: Run,
  definition: WorkflowDefinition,
  input: unknown,
  onFailure: 'collect' | 'fail-fast',
  ended: () => MapProgress | undefined,
): Step<unknown> {
  const { branch } = run;
  branch.isItem = true;
  let failed: { error: unknown } | undefined;
  let value: unknown;
  try {
    // As from a lane: what is given and got is the same however many items there are.
    value = asJson(yield* runWorkflow(definition, mesh, asJson(input)));
  } catch (error) {
    if (onFailure === 'fail-fast' || branch.refusal) throw error;
    failed = { error };
  }
  const reached = ended();
  if (reached) yield* invoke(run, 'progress', `${branch.path}.ended`, reached);
  if (failed) throw failed.error;
  return value;
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null)) as unknown;

async function* runLane(run: Run, path: string, lane: WorkflowDefinition, input: unknown): Step<void> {
  const { branch } = yield* run.enter();
  const outcome = yield* runChild(run, { branch, path }, lane, input);
  if (outcome.status !== 'completed') throw fromFailure(outcome.failure);
}

async function* readOutcomes(run: Run, mapId: string, path: string): Step<MapEnd> {
  const end: MapEnd = { results: [], undoable: false };
  for (let from: number | undefined = 0; from !== undefined;) {
    const key = `${path}.outcomes-${from}`;
    const part: ActivityOutput<'itemOutcomes'> = yield* invoke(run, 'itemOutcomes', key, { mapId, from });
    for (const outcome of part.outcomes) {
      end.results.push(outcome.ok ? outcome : { ...outcome, error: fromFailure(outcome.failure) });
    }
    end.undoable ||= part.undoable;
    from = part.next;
  }
  return end;
}

interface MapEnd {
  results: BranchResult<unknown>[];
  undoable: boolean;
}

function* portions(items: readonly unknown[]): Generator<{ from: number; part: unknown[] }> {
  let part: unknown[] = [];
  let chars = 0;
  for (const [index, item] of items.entries()) {
    const size = JSON.stringify(item ?? null).length;
    if (part.length >= maxItems || (part.length > 0 && chars + size > maxChars)) {
      yield { from: index - part.length, part };
      part = [];
      chars = 0;
    }
    part.push(item);
    chars += size;
  }
  if (part.length > 0) yield { from: items.length - part.length, part };
}
