import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { Branch } from './branch.ts';
import type { ActivityInput } from './activity-message.ts';
import type { ItemOutcome, MapItem } from './contract.ts';
import { toFailure } from './failure.ts';
import { invoke } from './invoke.ts';
import type { Mesh } from './mesh.ts';
import { type OpenItem, whileOpen } from './open-work.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { runOf } from './run-of.ts';
import { handOver } from './undo-list.ts';
import { runWorkflow } from './run-workflow.ts';
import type { WorkflowDefinition } from './workflow.ts';

/** How many items a lane works on before it begins a new history. */
const itemsPerHistory = 10;

const LaneInput = z.strictObject({
  mapId: z.string(),
  onFailure: z.enum(['collect', 'fail-fast']),
  progress: z.string().optional(),
});

const lanes = new WeakMap<WorkflowDefinition, WorkflowDefinition>();

/** The workflow of the lanes of a `map` over a workflow. */
export function laneOf(definition: WorkflowDefinition): WorkflowDefinition {
  const known = lanes.get(definition);
  if (known) return known;
  const lane: WorkflowDefinition = Object.freeze({
    name: `${definition.name}.lane`,
    version: definition.version,
    title: `${definition.title}, one after the other`,
    description: `A lane of a map over ${definition.name}.`,
    input: LaneInput,
    output: z.strictObject({}),
    uses: definition.uses,
    // A lane is only ever given what its schema gave.
    run: (mesh: Mesh, input: unknown) => workThrough(mesh, definition, input as z.infer<typeof LaneInput>),
  });
  lanes.set(definition, lane);
  return lane;
}

/**
 * Takes the items one by one. Each has a branch of its own, named after its index, from which all ids below it are made:
 * they are the same in whichever history it is worked on, so that a lane that is started over repeats nothing.
 */
async function* workThrough(
  mesh: Mesh,
  definition: WorkflowDefinition,
  { mapId, onFailure, progress }: z.infer<typeof LaneInput>,
): Step<object> {
  const run = runOf(mesh);
  const root = run.branch;
  let { item } = yield* invoke(run, 'nextItem', 'item-first', { mapId });
  for (let done = 0; item; done++) {
    if (done === itemsPerHistory) return yield* goOn(run);
    const outcome: ItemOutcome = yield* workOn(
      mesh,
      run,
      new Branch(`${item.index}`, root),
      definition,
      item,
      onFailure,
    );
    const settled = { index: item.index, outcome, undos: handOver(run) };
    ({ item } = yield* settleItem(run, { mapId, settled, ...(progress === undefined ? {} : { progress }) }));
    // They are the item's now.
    run.undos.length = 0;
  }
  return {};
}

function settleItem(
  run: Run,
  input: ActivityInput<'nextItem'> & { settled: { index: number } },
): Step<{ item?: MapItem }> {
  const work: OpenItem = { kind: 'item', branch: run.branch, activity: undefined };
  const onScheduled = (activity: OpenItem['activity']): void => void (work.activity = activity);
  return whileOpen(run, work, invoke(run, 'nextItem', `item-${input.settled.index}`, input, { onScheduled }));
}

async function* workOn(
  mesh: Mesh,
  run: Run,
  branch: Branch,
  definition: WorkflowDefinition,
  { input }: MapItem,
  onFailure: 'collect' | 'fail-fast',
): Step<ItemOutcome> {
  const root = run.branch;
  run.branch = branch;
  try {
    return { ok: true, value: yield* runWorkflow(definition, mesh, input) };
  } catch (error) {
    // An item that was given up is not a failed one; and what fails the map stays on the list the lane hands back.
    if (onFailure === 'fail-fast' || branch.refusal) throw error;
    return { ok: false, failure: toFailure(error) };
  } finally {
    run.branch = root;
  }
}

/** Begins a new history. The item that was taken last is given again. */
async function* goOn(run: Run): Step<never> {
  if (run.open.size > 0) throw new MeshError('INTERNAL', 'an item of a map left work open');
  run.next = { input: null, sameGeneration: true };
  for (;;) yield [];
}
