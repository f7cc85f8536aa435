import { MeshError } from '@daca-mesh/protocol';
import { Branch } from './branch.ts';
import type { Failure } from './contract.ts';
import { toFailure } from './failure.ts';
import type { Step, Wait } from './orchestration.ts';
import type { Run } from './run.ts';
import { settleOpenWork } from './settle.ts';

/** How a branch of an `all` ended, where failures are collected. */
export type BranchResult<T> = { ok: true; value: T } | { ok: false; failure: Failure; error: unknown };

export interface AllOptions {
  /** How many branches are under way at a time; default all of them. */
  limit?: number;
  /** `fail-fast` (default): the first failure gives up the other branches and is thrown. `collect`: every branch ends. */
  onFailure?: 'collect' | 'fail-fast';
}

interface Lane {
  position: number;
  branch: Branch;
  step: Step<unknown>;
  wait: Wait;
}

/**
 * Runs branches concurrently. Each is a branch of its own with a path of its own; those that can go on do so in index
 * order, one at a time, so that every replay goes the same way.
 */
export async function* all(
  run: Run,
  steps: readonly Step<unknown>[],
  { limit = Number.POSITIVE_INFINITY, onFailure = 'fail-fast' }: AllOptions,
): Step<BranchResult<unknown>[]> {
  if (!(limit >= 1)) throw new TypeError('limit must be at least 1');
  const { branch: parent, path } = yield* run.enter();
  const results: BranchResult<unknown>[] = [];
  const lanes = new Set<Lane>();
  const failure = (): { error: unknown } | undefined => (onFailure === 'fail-fast' ? firstFailure(results) : undefined);
  let next = 0;
  try {
    for (;;) {
      for (const lane of lanes) if (lane.wait.some((leaf) => leaf.isComplete)) await advance(run, lane, lanes, results);
      for (let step = steps[next]; step && lanes.size < limit && !failure(); step = steps[next]) {
        const lane = { position: next, branch: new Branch(`${path}/${next}`, parent), step, wait: [] };
        lanes.add(lane);
        next++;
        await advance(run, lane, lanes, results);
      }
      const failed = failure();
      if (failed) {
        yield* giveUp(run, lanes, path);
        throw failed.error;
      }
      if (lanes.size === 0) return results;
      yield [...lanes].flatMap((lane) => lane.wait);
    }
  } catch (error) {
    if (parent.refusal) await abort(run, lanes, parent.refusal);
    throw error;
  }
}

async function advance(run: Run, lane: Lane, lanes: Set<Lane>, results: BranchResult<unknown>[]): Promise<void> {
  try {
    const { done, value } = await run.inBranch(lane.branch, () => lane.step.next());
    if (!done) {
      lane.wait = value;
      return;
    }
    results[lane.position] = { ok: true, value };
  } catch (error) {
    results[lane.position] = { ok: false, failure: toFailure(error), error };
  }
  lanes.delete(lane);
}

function firstFailure(results: readonly BranchResult<unknown>[]): { error: unknown } | undefined {
  // Branches that are not done leave holes.
  return results.find((result) => result && !result.ok) as { error: unknown } | undefined;
}

async function* giveUp(run: Run, lanes: Set<Lane>, path: string): Step<void> {
  const branches = [...lanes].map((lane) => lane.branch);
  const error = new MeshError('CANCELED', 'another branch failed', { details: { canceled: 'branch' } });
  for (const branch of branches) branch.abort(error);
  await abort(run, lanes, error);
  yield* settleOpenWork(run, branches, `${path}.settle`, 'another branch failed');
}

/** Lets the code of every branch end: its `finally` blocks run, its further steps are refused. */
async function abort(run: Run, lanes: Set<Lane>, error: MeshError): Promise<void> {
  for (const lane of lanes) {
    // How it takes that does not matter: what it left open is settled by whoever aborts.
    await run.inBranch(lane.branch, () => lane.step.throw(error)).catch(() => undefined);
  }
  lanes.clear();
}
