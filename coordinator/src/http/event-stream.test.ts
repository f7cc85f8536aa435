import { afterEach, describe, expect, it } from 'vitest';
import { type StreamEvent, writeEventStream } from './event-stream.ts';
import { route } from './route.ts';
import { type ServedRoutes, serveRoutes } from './testing/serve-routes.ts';

let served: ServedRoutes | undefined;
afterEach(() => served?.[Symbol.asyncDispose]());

const serve = async (events: (signal: AbortSignal) => AsyncIterable<StreamEvent>): Promise<string> => {
  served = await serveRoutes([
    route({
      method: 'get',
      path: '/stream',
      operationId: 'stream',
      summary: 'A stream',
      responses: {},
      errors: [],
      handle: async ({ signal }, response) => {
        await writeEventStream(response, events(signal), signal);
        return undefined;
      },
    }),
  ]);
  return `${served.url}/stream`;
};

describe('an event stream', () => {
  it('carries ids and JSON, and ends with its source', async () => {
    const url = await serve(async function* () {
      yield { id: 1, data: { text: 'two\nlines' } };
      yield { id: 2, data: {} };
    });
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(await response.text()).toBe('id: 1\ndata: {"text":"two\\nlines"}\n\nid: 2\ndata: {}\n\n');
  });

  it('stops its source when the client goes', async () => {
    const stopped = Promise.withResolvers<void>();
    const url = await serve(async function* (signal) {
      try {
        yield { id: 1, data: {} };
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      } finally {
        stopped.resolve();
      }
    });
    const gone = new AbortController();
    const response = await fetch(url, { signal: gone.signal });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('id: 1');
    gone.abort();
    await stopped.promise;
  });

  it('takes no more from its source than the client reads', async () => {
    const data = 'x'.repeat(64 * 1024);
    let made = 0;
    const url = await serve(async function* () {
      for (; made < 10_000; made += 1) yield { id: made, data };
    });
    const gone = new AbortController();
    const response = await fetch(url, { signal: gone.signal });
    let before = -1;
    // Sockets buffer a few megabytes; then the source must stand still.
    await expect
      .poll(
        () => {
          const still = made === before;
          before = made;
          return still;
        },
        { interval: 300, timeout: 10_000 },
      )
      .toBe(true);
    expect(made).toBeLessThan(1_000);
    gone.abort();
    await response.text().catch(() => '');
  });
});
