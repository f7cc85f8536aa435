import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard } from '@a2a-js/sdk';
import { createAgentServer } from '@daca-mesh/protocol/server';
import { type Logger, pino } from 'pino';
import type { Route } from '../route.ts';
import { createRouter, reportProblem } from '../router.ts';

/** Routes behind the guards of a real agent server on a free port. */
export interface ServedRoutes extends AsyncDisposable {
  url: string;
}

export async function serveRoutes(
  routes: readonly Route[],
  logger: Logger = pino({ level: 'silent' }),
): Promise<ServedRoutes> {
  const folder = await mkdtemp(join(tmpdir(), 'routes-'));
  const closing = new AbortController();
  const server = await createAgentServer({
    card: AgentCard.fromJSON({ name: 'routes', skills: [] }),
    skills: {},
    logger,
    database: { path: join(folder, 'store.db'), durability: 'normal' },
    maxBodyBytes: 10_000,
    routes: ({ callerOf }) => createRouter(routes, { callerOf, signal: closing.signal }),
    answerErrors: reportProblem(logger),
  });
  return {
    url: server.url,
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
