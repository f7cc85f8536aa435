import { all, type Database, statement, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../store/schema.ts';

/** How the calls to an agent went of late. */
export interface RecentCalls {
  calls: number;
  failed: number;
}

interface Counted {
  agent: string | null;
  status: string;
  calls: number;
}

const countCalls = statement<{ since: number }, Counted>((value) =>
  query
    .selectFrom('calls')
    .select((eb) => [
      'agent',
      eb.fn<string>('json_extract', ['outcome', eb.val('$.status')]).as('status'),
      eb.fn.countAll<number>().as('calls'),
    ])
    .where('settled_at', '>=', value('since'))
    .groupBy(['agent', 'status']),
);

/** By agent name: the calls that were settled since then. What we gave up ourselves, or an agent refused, is no failure. */
export const recentCalls = (database: Database, since: number): Promise<Map<string, RecentCalls>> =>
  database.read(function* (): Unit<Map<string, RecentCalls>> {
    const byAgent = new Map<string, RecentCalls>();
    for (const { agent, status, calls } of yield* all(countCalls({ since }))) {
      if (agent === null) continue;
      const counted = byAgent.get(agent) ?? { calls: 0, failed: 0 };
      counted.calls += calls;
      if (status === 'failed' || status === 'timed-out') counted.failed += calls;
      byAgent.set(agent, counted);
    }
    return byAgent;
  });
