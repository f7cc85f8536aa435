import { z } from 'zod';
import { readTimeline, type TimelineEntry } from '../store/timeline.ts';
import type { ApiServices } from './api.ts';
import { type StreamEvent, writeEventStream } from './event-stream.ts';
import { type Route, route } from './route.ts';
import { endStatuses } from './runs.ts';
import { PathId, TimelineEntry as Entry, TimelinePage } from './schemas.ts';

const params = z.object({ runId: PathId });
const Seq = z.coerce.number().int().min(0);

/** What happened in a run: as pages, and as a stream. */
export function runEventRoutes({ runs, database, feed }: ApiServices): Route[] {
  const timeline = route({
    method: 'get',
    path: '/runs/{runId}/timeline',
    operationId: 'getTimeline',
    summary: 'What happened in a run, the oldest first',
    params,
    query: z.strictObject({
      after: Seq.default(0).describe('The `seq` of the last entry that is known'),
      cursor: Seq.optional().describe('`nextCursor` of the page before; the same as `after`'),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
    }),
    responses: { 200: { description: 'A page of entries', schema: TimelinePage } },
    errors: ['RUN_NOT_FOUND', 'INVALID_ARGUMENT'],
    handle: async ({ params, query }) => {
      await runs.get(params.runId);
      const after = query.cursor ?? query.after;
      const read = await database.read(() => readTimeline(params.runId, after, query.limit + 1));
      const entries = read.slice(0, query.limit);
      const nextCursor = read.length > entries.length ? String(entries.at(-1)?.seq) : null;
      return { status: 200, body: { entries, nextCursor } };
    },
  });

  const events = route({
    method: 'get',
    path: '/runs/{runId}/events',
    operationId: 'streamRun',
    summary: 'The entries of the timeline as server-sent events, to the end of the run',
    params,
    query: z.strictObject({ after: Seq.optional().describe('As Last-Event-ID, for clients that cannot set it') }),
    headers: z.object({ 'last-event-id': Seq.optional().describe('The `seq` of the last entry that was received') }),
    responses: {
      200: { description: 'One entry an event', schema: Entry, mediaType: 'text/event-stream' },
      204: { description: 'The run has ended, and the client has seen it all: an EventSource reconnects no more' },
    },
    errors: ['RUN_NOT_FOUND', 'INVALID_ARGUMENT'],
    handle: async ({ params, query, headers, signal }, response) => {
      const { status } = await runs.get(params.runId);
      if (response.req.method === 'HEAD') {
        return { status: 200, body: undefined, headers: { 'Content-Type': 'text/event-stream' } };
      }
      const after = headers['last-event-id'] ?? query.after ?? 0;
      if (endStatuses.has(status) && (await database.read(() => readTimeline(params.runId, after, 1))).length === 0) {
        return { status: 204, body: undefined };
      }
      await writeEventStream(response, toEvents(feed.entries(params.runId, after, signal)), signal);
      return undefined;
    },
  });
  return [timeline, events];
}

async function* toEvents(entries: AsyncIterable<TimelineEntry>): AsyncGenerator<StreamEvent> {
  for await (const entry of entries) yield { id: entry.seq, data: entry };
}
