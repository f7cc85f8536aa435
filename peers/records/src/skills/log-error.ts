import type { SkillMap } from '@daca-mesh/agent-cards';
import { all, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

type Input = SkillMap['log-error']['input'];
type Output = SkillMap['log-error']['output'];

/** Appends what ended a run to the error log. */
export const writeError = (key: string, { runId, workflow, code, message }: Input): Unit<Output> =>
  writeOnce(key, function* (at): Unit<Output> {
    const [line] = yield* all(
      query
        .insertInto('run_errors')
        .values({ run_id: runId, workflow, code, message, write_key: key, at })
        .returning('error_id')
        .compile(),
    );
    return { errorId: String(line?.error_id) };
  });
