import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { runTag } from '../runs/run-view.ts';
import type { ApiServices } from './api.ts';
import { IfNoneMatch, isKnown } from './entity-tag.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { type Route, route } from './route.ts';
import { IdempotencyKey, paging, PathId, Run, RunPage, RunStatus, Wait } from './schemas.ts';

const params = z.object({ runId: PathId });
const accepted = { 202: { description: 'Accepted; the run as it stands', schema: Run } };

/** Runs: looking at them, and telling them something. */
export function runRoutes(services: ApiServices): Route[] {
  return [...readRoutes(services), ...controlRoutes(services), receiveRoute(services)];
}

function readRoutes(services: ApiServices): Route[] {
  const { runs } = services;
  const list = route({
    method: 'get',
    path: '/runs',
    operationId: 'listRuns',
    summary: 'Runs, the newest first',
    query: z.strictObject({
      status: RunStatus.optional(),
      workflow: PathId.optional(),
      root: PathId.optional().describe('The children of this run instead; else no children are listed'),
      ...paging,
    }),
    responses: { 200: { description: 'A page of runs', schema: RunPage } },
    errors: ['INVALID_ARGUMENT'],
    handle: async ({ query }) => ({ status: 200, body: await runs.list(query) }),
  });

  const get = route({
    method: 'get',
    path: '/runs/{runId}',
    operationId: 'getRun',
    summary: 'One run',
    description:
      'With `wait` the reply is held back until status or progress change or the time is over; a run that has ended is ' +
      'returned at once. With `If-None-Match` it is what the client saw that counts: a run that has changed since is ' +
      'returned at once, and one that does not change in time is 304. `Retry-After` says when it is worth asking again.',
    params,
    query: z.strictObject({ wait: Wait.optional().describe('Such as 30s; at most 60s') }),
    headers: z.object({ 'if-none-match': IfNoneMatch.optional().describe('The ETag of the run as it was') }),
    responses: {
      200: {
        description: 'The run',
        schema: Run,
        headers: {
          ETag: 'Changes with status and progress',
          'Retry-After': 'When to look again, in seconds; a run that has ended has none',
        },
      },
      304: { description: 'It has not changed' },
    },
    errors: ['RUN_NOT_FOUND', 'INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED'],
    handle: async ({ params, query, headers, signal }) => {
      const seen = headers['if-none-match'];
      if (query.wait !== undefined) await waitForChange(services, params.runId, { waitMs: query.wait, seen, signal });
      const run = await runs.get(params.runId);
      const tag = runTag(run);
      return { status: isKnown(seen, tag) ? 304 : 200, body: run, headers: { ETag: tag, ...retryAfter(run) } };
    },
  });
  return [list, get];
}

/** Returns when a run is not as the client saw it, or not as it is now, any more; at the latest after a time. */
async function waitForChange(
  { runs, feed }: ApiServices,
  runId: string,
  { waitMs, seen, signal }: { waitMs: number; seen: string | undefined; signal: AbortSignal },
): Promise<void> {
  const run = await runs.get(runId);
  const before = runTag(run);
  if (endStatuses.has(run.status) || (seen !== undefined && !isKnown(seen, before))) return;
  const late = new AbortController();
  // Cleared when the change is known: an AbortSignal.timeout would stay in memory for the rest of the wait.
  const timer = setTimeout(() => late.abort(), waitMs);
  try {
    await feed.until(
      runId,
      () => runs.tag(runId),
      (tag) => tag !== before,
      AbortSignal.any([signal, late.signal]),
    );
  } finally {
    clearTimeout(timer);
  }
}

/** The header that says when to look again. */
export function retryAfter(run: Run): { 'Retry-After'?: string } {
  const seconds = retryAfterSeconds(run, Date.now());
  return seconds === undefined ? {} : { 'Retry-After': String(seconds) };
}

/** Of a run that has ended. */
export const endStatuses: ReadonlySet<Run['status']> = new Set(['completed', 'failed', 'canceled']);

function controlRoutes({ runs }: ApiServices): Route[] {
  const cancel = route({
    method: 'post',
    path: '/runs/{runId}/cancel',
    operationId: 'cancelRun',
    summary: 'Cancels a run: what it did is undone first',
    params,
    body: {
      schema: z.strictObject({ reason: z.string().max(1_000).optional() }).optional(),
      required: false,
      description: 'Why',
    },
    responses: accepted,
    errors: ['RUN_NOT_FOUND', 'RUN_FINISHED', 'INVALID_ARGUMENT'],
    handle: async ({ params, body, caller }) => ({
      status: 202,
      body: await runs.cancel(params.runId, body?.reason, caller),
    }),
  });

  const suspend = route({
    method: 'post',
    path: '/runs/{runId}/suspend',
    operationId: 'suspendRun',
    summary: 'Suspends a run: it sends nothing new until it is resumed',
    params,
    body: nothing,
    responses: accepted,
    errors: ['RUN_NOT_FOUND', 'RUN_FINISHED', 'INVALID_ARGUMENT'],
    handle: async ({ params }) => ({ status: 202, body: await runs.suspend(params.runId) }),
  });

  const resume = route({
    method: 'post',
    path: '/runs/{runId}/resume',
    operationId: 'resumeRun',
    summary: 'Lets a suspended run go on',
    params,
    body: nothing,
    responses: accepted,
    errors: ['RUN_NOT_FOUND', 'RUN_FINISHED', 'INVALID_ARGUMENT'],
    handle: async ({ params }) => ({ status: 202, body: await runs.resume(params.runId) }),
  });
  return [cancel, suspend, resume];
}

const nothing = { schema: z.strictObject({}).optional(), required: false, description: 'Nothing' };

const receiveRoute = ({ runs }: ApiServices): Route =>
  route({
    method: 'post',
    path: '/runs/{runId}/events/{name}',
    operationId: 'raiseEvent',
    summary: 'Sends a run an event it waits for, or will wait for',
    description: 'The body is the payload. With an Idempotency-Key the same event may be sent again and counts once.',
    params: z.object({ runId: PathId, name: PathId }),
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: { schema: z.unknown(), required: false, description: 'The payload' },
    responses: accepted,
    errors: [
      'RUN_NOT_FOUND',
      'RUN_FINISHED',
      'INVALID_ARGUMENT',
      'MESSAGE_ID_REUSED',
      'ALREADY_APPROVED',
      'AUTHENTICATION_REQUIRED',
      'NOT_ASSIGNED',
      'ANSWER_INVALID',
    ],
    handle: async ({ params, headers, body, caller }) => {
      const eventId = headers['idempotency-key'] ?? newId();
      return { status: 202, body: await runs.receiveEvent(params.runId, params.name, body ?? null, eventId, caller) };
    },
  });
