import type { MeshErrorCode } from '@daca-mesh/protocol';
import {
  type ActivityInput,
  type ActivityMessage,
  type ActivityName,
  activityNameOf,
  type ActivityOutput,
  type ActivityReply,
  requestDigest,
} from './activity-message.ts';
import { backoffMs } from './backoff.ts';
import type { Failure } from './contract.ts';
import { fromFailure } from './failure.ts';
import { nonDeterminism } from './non-determinism.ts';
import { type Leaf, type Step, untilAny } from './orchestration.ts';
import type { Run } from './run.ts';
import { placeOf, stepName } from './step-name.ts';

/** An activity that was scheduled; `read` tells its outcome once its leaf is complete. */
export interface ScheduledActivity<N extends ActivityName> {
  leaf: Leaf;
  read(): Promise<{ output: ActivityOutput<N> } | { failure: Failure }>;
}

/** How often an activity is tried when it fails by itself: a busy database, a bug. */
const defaultAttempts = 10;

export interface InvokeOptions<N extends ActivityName> {
  attempts?: number;
  /** Told each activity that is scheduled, so that others can wait for it when this step is aborted. */
  onScheduled?: (activity: ScheduledActivity<N>) => void;
}

/** Executes an activity, again after a retryable failure. */
export async function* invoke<N extends ActivityName>(
  run: Run,
  name: N,
  key: string,
  input: ActivityInput<N>,
  options: InvokeOptions<N> = {},
): Step<ActivityOutput<N>> {
  const attempts = options.attempts ?? defaultAttempts;
  for (let failed = 0; ;) {
    const activity = await schedule(run, name, failed === 0 ? key : `${key}+${failed}`, input);
    options.onScheduled?.(activity);
    yield* untilAny([activity.leaf]);
    const outcome = await activity.read();
    if ('output' in outcome) return outcome.output;
    if (!outcome.failure.retryable || ++failed >= attempts) throw fromFailure(outcome.failure);
    yield* pause(run, backoffMs(run, key, failed));
  }
}

/** Waits on the engine's clock. */
export function* pause(run: Run, ms: number): Generator<readonly Leaf[], void, void> {
  yield* untilAny([run.orchestration.timer(new Date(run.orchestration.now().getTime() + ms))]);
}

/** Schedules an activity without waiting for it. */
export async function schedule<N extends ActivityName>(
  run: Run,
  name: N,
  key: string,
  input: ActivityInput<N>,
): Promise<ScheduledActivity<N>> {
  const message: ActivityMessage = {
    key,
    what: stepName(name, input),
    ...(name === 'claim' ? {} : { scope: run.scope() }),
    ...(await run.payloads.pack(run.runId, 'input', input)),
  };
  const leaf = run.orchestration.activity(activityNameOf(name), message);
  run.noteActivity(leaf);
  return {
    leaf,
    async read() {
      if (leaf.isFailed) {
        return { failure: { code: 'INTERNAL', message: leaf.getException().message, retryable: false } };
      }
      // Written by answerActivity, the only thing registered under this name.
      const reply = leaf.getResult() as ActivityReply;
      verify(run, name, message, reply);
      if ('error' in reply) {
        if (reply.error.code === ('INSTANCE_REPLACED' satisfies MeshErrorCode))
          throw run.halt(fromFailure(reply.error));
        return { failure: reply.error };
      }
      run.claiming = undefined;
      // The activity of this name gave it.
      return { output: (await run.unpack('output', reply)) as ActivityOutput<N> };
    },
  };
}

function verify(run: Run, name: ActivityName, asked: ActivityMessage, reply: ActivityReply): void {
  if (reply.key === asked.key && reply.digest === requestDigest(name, asked)) return;
  throw run.halt(
    nonDeterminism({ place: placeOf(reply.key), what: reply.what }, { place: placeOf(asked.key), what: asked.what }),
  );
}
