import { once } from 'node:events';
import { StreamResponse } from '@a2a-js/sdk';
import type { Response } from 'express';
import type { TaskEvent } from '../task-core.ts';

/** How events are written to a connection. */
export interface EventStreamOptions {
  /** Silence after which a comment is sent, so that proxies and clients do not give up. */
  keepaliveMs: number;
  /** Wraps the event for the binding. */
  wrap: (response: unknown) => unknown;
  /** Describes an error that came after the headers were sent. */
  wrapError: (error: unknown) => unknown;
}

/** How long a reader may take nothing before it is cut off; it can resume where it was. */
const stalledReaderMs = 60_000;

/**
 * Writes a task's events as Server-Sent Events with the generation as id. Nothing is sent before the first event is
 * there, so that an error until then can be a plain answer. Waits for slow readers.
 */
export async function writeEventStream(
  response: Response,
  events: AsyncGenerator<TaskEvent>,
  options: EventStreamOptions,
): Promise<void> {
  let next = await events.next();
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const keepalive = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': keepalive\n\n');
  }, options.keepaliveMs);
  try {
    while (!next.done && !response.closed) {
      const { generation, response: event } = next.value;
      const data = JSON.stringify(options.wrap(StreamResponse.toJSON(event)));
      await write(response, `id: ${generation}\ndata: ${data}\n\n`);
      next = await events.next();
    }
  } catch (error) {
    if (!response.closed) response.write(`event: error\ndata: ${JSON.stringify(options.wrapError(error))}\n\n`);
  } finally {
    clearInterval(keepalive);
    await events.return(undefined);
    response.end();
  }
}

async function write(response: Response, chunk: string): Promise<void> {
  if (response.write(chunk) || response.closed) return;
  const signal = AbortSignal.timeout(stalledReaderMs);
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]).catch(() => {
    response.destroy();
  });
}
