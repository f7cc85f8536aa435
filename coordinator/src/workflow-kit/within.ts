import { MeshError } from '@daca-mesh/protocol';
import { Branch } from './branch.ts';
import { type Duration, toMs } from './duration.ts';
import type { Step, Wait } from './orchestration.ts';
import type { Run } from './run.ts';
import { settleOpenWork } from './settle.ts';
import { waitFor } from './wait-for.ts';

/** Refused at the edges, so that only the time limit can end the wait for it. */
const clockEvent = 'mesh:time-limit';

interface Lane {
  branch: Branch;
  step: Step<unknown>;
  wait: Wait;
  end: { value: unknown } | undefined;
}

/**
 * Runs a step in a branch of its own, for so long, by the store's clock. Where its time is up, what it has open is given
 * up, as where a branch of an `all` fails; what it did stays to be undone. What ends in the same turn ends in time.
 */
export async function* within(run: Run, limit: Duration, step: Step<unknown>): Step<unknown> {
  const { branch: parent, path } = yield* run.enter();
  const lane = (index: number, of: Step<unknown>): Lane => ({
    branch: new Branch(`${path}/${index}`, parent),
    step: of,
    wait: [],
    end: undefined,
  });
  const work = lane(0, step);
  const clock = lane(1, waitFor(run, clockEvent, { timeout: limit }));
  try {
    await advance(run, clock);
    await advance(run, work);
    while (!work.end && !clock.end) {
      yield [...work.wait, ...clock.wait];
      for (const each of [work, clock]) if (each.wait.some((leaf) => leaf.isComplete)) await advance(run, each);
    }
  } catch (error) {
    if (parent.refusal) for (const each of [work, clock]) await abort(run, each, parent.refusal);
    else yield* giveUp(run, clock, `${path}.settle`, failed);
    throw error;
  }
  if (work.end) {
    yield* giveUp(run, clock, `${path}.settle`, ended);
    return work.end.value;
  }
  const timeLimitMs = toMs(limit);
  const error = new MeshError('DEADLINE_EXCEEDED', `the time limit of ${timeLimitMs / 1000} s is over`, {
    details: { timeLimitMs },
  });
  yield* giveUp(run, work, `${path}.settle`, error);
  throw error;
}

const ended = new MeshError('CANCELED', 'it ended in time');
const failed = new MeshError('CANCELED', 'it failed in time');

async function advance(run: Run, lane: Lane): Promise<void> {
  const { done, value } = await run.inBranch(lane.branch, () => lane.step.next());
  if (done) lane.end = { value };
  else lane.wait = value;
}

async function* giveUp(run: Run, lane: Lane, key: string, why: MeshError): Step<void> {
  if (lane.end) return;
  lane.branch.abort(why);
  await abort(run, lane, why);
  yield* settleOpenWork(run, [lane.branch], key, why.message);
}

/** Lets the code of a lane end: its `finally` blocks run, its further steps are refused. */
async function abort(run: Run, { branch, step }: Lane, error: MeshError): Promise<void> {
  await run.inBranch(branch, () => step.throw(error)).catch(() => undefined);
}
