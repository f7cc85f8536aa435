import { proposalIdOf } from './identity.ts';
import { invoke } from './invoke.ts';
import { type Step, untilAny } from './orchestration.ts';
import type { Run } from './run.ts';

/**
 * Waits for the verdict of a row. A user-named event that Dapr's own API raised straight to the instance carries no
 * number of ours: it is only a proposal. It goes to the rows, which judge it like any other, and the run goes on with
 * their verdict.
 */
export async function* awaitVerdict(
  run: Run,
  verdictName: string,
  userEvent: string | undefined,
  path: string,
): Step<unknown> {
  for (let proposals = 0; ;) {
    const verdict = run.events.take(verdictName);
    if (verdict) return await run.unpack('payload', verdict);
    const raised = userEvent === undefined ? undefined : run.events.takeRaw(userEvent);
    if (raised) {
      const key = `${path}.propose-${proposals++}`;
      const proposal = { proposalId: proposalIdOf(run, key), event: userEvent ?? '', payload: raised.payload ?? null };
      yield* invoke(run, 'propose', key, proposal);
    } else {
      const names = userEvent === undefined ? [verdictName] : [verdictName, userEvent];
      yield* untilAny(names.map((name) => run.events.waiter(name)));
    }
  }
}
