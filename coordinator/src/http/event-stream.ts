import { once } from 'node:events';
import type { Response } from 'express';

const keepaliveMs = 15_000;
/** How long a client may take nothing before it is cut off; it can resume where it was. */
const stalledClientMs = 60_000;

/** A server-sent event. */
export interface StreamEvent {
  id: string | number;
  data: unknown;
}

/**
 * Writes events until the source ends or the signal aborts: with ids to resume from, a comment every 15 seconds so that
 * no proxy takes the silence for death, and no faster than the client reads.
 */
export async function writeEventStream(
  response: Response,
  events: AsyncIterable<StreamEvent>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // Tells nginx not to collect the stream.
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const keepalive = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': keepalive\n\n');
  }, keepaliveMs);
  try {
    for await (const { id, data } of events) {
      if (signal.aborted || response.destroyed) return;
      const accepted = response.write(`id: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
      if (!accepted) await drained(response, signal);
    }
  } finally {
    clearInterval(keepalive);
    response.end();
  }
}

async function drained(response: Response, signal: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(stalledClientMs)]) });
  } catch {
    // Gone, or as good as gone: nothing more can be told on this connection.
    response.destroy();
  }
}
