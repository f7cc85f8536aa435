import { invoke } from './invoke.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';

/** Executes one of the coordinator's own activities, by name. */
export async function* localActivity(
  run: Run,
  name: string,
  input: unknown,
  options: { attempts?: number },
): Step<unknown> {
  const { path } = yield* run.enter();
  const key = `${run.generation}/${path}`;
  const { output } = yield* invoke(run, 'local', `${path}.local`, { name, key, input }, options);
  return output;
}
