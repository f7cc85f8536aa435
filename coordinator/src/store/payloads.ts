import { all, type Database, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { PayloadStore } from '../workflow-kit/payloads.ts';
import { query } from './schema.ts';

/** The large values of runs: each is kept once, for as long as there is a run that refers to it. */
export const createPayloadStore = (database: Database): PayloadStore => ({
  put: (runId, { $ref, bytes }, json) =>
    database.write(function* () {
      yield* run(insertPayload({ digest: $ref, bytes, json, created_at: Date.now() }));
      yield* run(insertUse({ digest: $ref, run_id: runId }));
    }),
  get: ({ $ref }) => database.read(() => loadPayload($ref)),
});

const insertPayload = statement<{ digest: string; bytes: number; json: string; created_at: number }, unknown>((value) =>
  query
    .insertInto('payloads')
    .values({
      digest: value('digest'),
      bytes: value('bytes'),
      json: value('json'),
      created_at: value('created_at'),
    })
    .onConflict((conflict) => conflict.doNothing()),
);

const insertUse = statement<{ digest: string; run_id: string }, unknown>((value) =>
  query
    .insertInto('payload_uses')
    .values({ digest: value('digest'), run_id: value('run_id') })
    .onConflict((conflict) => conflict.doNothing()),
);

const selectPayload = statement<{ digest: string }, { json: string }>((value) =>
  query.selectFrom('payloads').select('json').where('digest', '=', value('digest')),
);

function* loadPayload(digest: string): Unit<string | undefined> {
  return (yield* first(selectPayload({ digest })))?.json;
}

/** Deletes the values that only this run refers to. */
export function* forgetPayloads(runId: string): Unit<void> {
  const used = yield* all(query.deleteFrom('payload_uses').where('run_id', '=', runId).returning('digest').compile());
  for (const { digest } of used) {
    yield* run(
      query
        .deleteFrom('payloads')
        .where('digest', '=', digest)
        .where((eb) => eb.not(eb.exists(eb.selectFrom('payload_uses').select('digest').where('digest', '=', digest))))
        .compile(),
    );
  }
}
