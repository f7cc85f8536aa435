import { digest, isMeshError } from '@daca-mesh/protocol';
import type { ActivityScope, Failure, KitActivities } from './contract.ts';
import type { Carried, Payloads } from './payloads.ts';

export type ActivityName = keyof KitActivities;

/** What an activity takes besides its scope. */
export type ActivityInput<N extends ActivityName> = N extends 'claim'
  ? Parameters<KitActivities['claim']>[0]
  : Omit<Parameters<KitActivities[N]>[0], keyof ActivityScope>;

/** What an activity gives. */
export type ActivityOutput<N extends ActivityName> = Awaited<ReturnType<KitActivities[N]>>;

/** An activity's input as it travels: always an object, since the SDK loses falsy values. */
export type ActivityMessage = {
  /** The branch path and step it belongs to. */
  key: string;
  /** What that step does, for people. */
  what: string;
  /** Absent for the claim. */
  scope?: ActivityScope;
} & Carried<'input', object>;

/**
 * An activity's result as it travels and is recorded. It says which request it answers: the engine compares only kind
 * and name when it replays, so that a changed workflow could be given the result of another step. A failure is data,
 * because the SDK keeps nothing of an error but its message.
 */
export type ActivityReply = { key: string; what: string; digest: string } & (
  | Carried<'output', object>
  | { error: Failure }
);

/** The registered name of an activity. */
export const activityNameOf = (name: ActivityName): string => `mesh.${name}`;

/** What the reply to a request is recognized by. */
export const requestDigest = (name: ActivityName, input: Carried<'input', object>): string =>
  digest([name, 'ref' in input ? input.ref : input.input]);

/** Executes an activity for the engine. Never rejects, and never answers where our own store failed. */
export async function answerActivity(
  activities: KitActivities,
  name: ActivityName,
  message: ActivityMessage,
  { payloads, onError }: { payloads: Payloads; onError: (error: unknown) => void },
): Promise<ActivityReply> {
  const { key, what, scope } = message;
  const recorded = { key, what, digest: requestDigest(name, message) };
  // The kit sends each activity the input of its own type; name and input travel together.
  const activity = activities[name].bind(activities) as (input: object) => Promise<object>;
  try {
    const input = await payloads.unpack<'input', object>('input', message);
    const output = await activity({ ...scope, ...input });
    return { ...recorded, ...(await payloads.pack(runIdOf(scope, input), 'output', output)) };
  } catch (error) {
    onError(error);
    // Nobody knows what is stored. An answer would be recorded for good; unanswered, it is executed again by the process
    // that opens the store next.
    if (isMeshError(error) && error.code === 'STORE_FAILED') return await new Promise<never>(() => undefined);
    return { ...recorded, error: activityFailure(error) };
  }
}

/** Only the claim has no scope; its instance is the run. */
function runIdOf(scope: ActivityScope | undefined, input: object): string {
  if (scope) return scope.runId;
  return 'instanceId' in input ? String(input.instanceId) : '';
}

function activityFailure(error: unknown): Failure {
  if (!isMeshError(error)) return { code: 'INTERNAL', message: 'an activity failed unexpectedly', retryable: true };
  const { code, message, retryable, details } = error;
  return { code, message, retryable, ...(details === undefined ? {} : { details }) };
}
