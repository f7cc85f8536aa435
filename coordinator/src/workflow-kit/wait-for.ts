import { eventNames, type WaitOutcome, type WaitRequest } from './contract.ts';
import { type Duration, toMs } from './duration.ts';
import { waitIdOf } from './identity.ts';
import { invoke } from './invoke.ts';
import { type OpenWaiting, whileOpen } from './open-work.ts';
import type { Step } from './orchestration.ts';
import { awaitVerdict } from './await-verdict.ts';
import type { Run } from './run.ts';

/** Waits for a user-named event; its row judges event against time limit. */
export async function* waitFor(run: Run, event: string, options: { timeout?: Duration }): Step<WaitOutcome> {
  const { branch, path } = yield* run.enter();
  const waitId = waitIdOf(run, path);
  const limit = options.timeout === undefined ? {} : { timeoutMs: toMs(options.timeout) };
  const work: OpenWaiting = { kind: 'wait', branch, waitId, activity: undefined };
  return yield* whileOpen(run, work, beginAndWait(run, { waitId, event: event.toLowerCase(), ...limit }, path, work));
}

async function* beginAndWait(run: Run, wait: WaitRequest, path: string, work: OpenWaiting): Step<WaitOutcome> {
  const onScheduled = (activity: OpenWaiting['activity']): void => void (work.activity = activity);
  const begun = yield* invoke(run, 'wait', `${path}.wait`, { wait }, { onScheduled });
  if (begun.status !== 'open') return begun;
  // Raised by the coordinator for exactly this wait.
  return (yield* awaitVerdict(run, eventNames.wait(wait.waitId), wait.event, path)) as WaitOutcome;
}
