import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';

/** Reads a body up to a limit. What exceeds it is dropped as it comes, so that the caller gets to see the answer. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) chunks.push(chunk);
    else reject(unreadable('stream too large'));
  });
  request.on('end', () => resolve(Buffer.concat(chunks)));
  request.on('error', (cause) => reject(unreadable(cause.message)));
  return promise;
}

/** A body that is not text. */
export class TextError extends Error {}

/**
 * The text of a body that is a workflow's or event's value, whatever it means.
 *
 * @throws TextError if it is not UTF-8.
 */
export function toText(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new TextError('string field contains invalid UTF-8', { cause });
  }
}

/** daprd's messages without a value of their own are JSON objects; it needs nothing they say, but does check that. */
export function checkJsonObject(body: Buffer): void {
  if (body.length === 0) return;
  try {
    const value: unknown = JSON.parse(toText(body));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HttpError(400, 'ERR_MALFORMED_REQUEST', `failed deserializing HTTP body: ${reason}`, { cause });
  }
}

function unreadable(reason: string): HttpError {
  return new HttpError(400, 'ERR_BODY_READ', `failed to read request body: ${reason}`);
}
