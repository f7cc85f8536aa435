import { all, type Unit } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Peer } from '../directory/peer.ts';
import { type CallRow, query } from '../store/schema.ts';
import { never, optionsOf } from '../watcher/call-rows.ts';
import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { type OpenCall, OpenCallList, PathId } from './schemas.ts';

/** What a run shows at most; it may have thousands. */
const limit = 100;

/** The calls a run waits for. */
export const openCallRoutes = ({
  runs,
  database,
  directory,
}: Pick<ApiServices, 'runs' | 'database' | 'directory'>): Route[] => [
  route({
    method: 'get',
    path: '/runs/{runId}/calls',
    operationId: 'listOpenCalls',
    summary: 'The calls a run and its children wait for, the oldest first',
    description: `Whether their agents can be reached, when they are tried again, and when they are given up. At most ${limit}.`,
    params: z.object({ runId: PathId }),
    responses: { 200: { description: 'The open calls', schema: OpenCallList } },
    errors: ['RUN_NOT_FOUND'],
    handle: async ({ params }) => {
      await runs.get(params.runId);
      return { status: 200, body: { calls: await database.read(() => readOpenCalls(params.runId, directory)) } };
    },
  }),
];

function* readOpenCalls(runId: string, directory: Pick<Directory, 'at'>): Unit<OpenCall[]> {
  const tree = query
    .selectFrom('runs')
    .select('run_id')
    .where((eb) => eb.or([eb('run_id', '=', runId), eb('root_run_id', '=', runId)]));
  const rows = yield* all(
    query
      .selectFrom('calls')
      .leftJoin('deadlines', (join) =>
        join
          .on('deadlines.kind', '=', 'call-limit')
          // As `callRef` makes it.
          .on('deadlines.ref', '=', sql<string>`calls.call_id || ':' || calls.attempt`),
      )
      .selectAll('calls')
      .select('deadlines.due_at')
      .where('calls.run_id', 'in', tree)
      .where('state', '<>', 'settled')
      .$narrowType<Pick<OpenRow, 'state'>>()
      .orderBy('created_at')
      .limit(limit)
      .compile(),
  );
  return rows.map((row) => toOpenCall(row, directory));
}

interface OpenRow extends CallRow {
  state: Exclude<CallRow['state'], 'settled'>;
  due_at: number | null;
}

function toOpenCall(row: OpenRow, directory: Pick<Directory, 'at'>): OpenCall {
  const { target } = optionsOf(row);
  const agent = row.agent ?? ('agent' in target ? target.agent : undefined);
  const url = row.peer_url ?? ('url' in target ? target.url : undefined);
  const isRetried = row.state !== 'open' && row.tries > 0 && row.next_at < never;
  return {
    callId: row.call_id,
    attempt: row.attempt,
    runId: row.run_id,
    state: row.state === 'open' ? 'working' : row.state,
    ...(row.skill === null ? {} : { skill: row.skill }),
    ...(agent === undefined ? {} : { agent }),
    ...(url === undefined ? {} : { url }),
    ...(row.task_id ? { taskId: row.task_id } : {}),
    ...reachability(url === undefined ? undefined : directory.at(url)),
    createdAt: toTime(row.created_at),
    ...(isRetried ? { nextTryAt: toTime(row.next_at) } : {}),
    ...(row.due_at === null ? {} : { deadline: toTime(row.due_at) }),
  };
}

const reachability = (peer: Peer | undefined): Pick<OpenCall, 'agentStatus' | 'lastSeenAt'> =>
  peer
    ? { agentStatus: peer.healthy ? 'up' : 'down', lastSeenAt: toTime(peer.lastSeenAt) }
    : { agentStatus: 'unknown' };

const toTime = (ms: number): string => new Date(ms).toISOString();
