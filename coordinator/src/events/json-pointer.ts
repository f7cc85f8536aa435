import { z } from 'zod';

/** A JSON Pointer (RFC 6901): `/data/deviceId`; the empty text is the whole value. */
export const JsonPointer = z
  .string()
  .max(500)
  .regex(/^(?:\/(?:[^~/]|~0|~1)*)*$/u, 'is not a JSON Pointer such as /data/deviceId');

/**
 * What a pointer points to; undefined where there is nothing.
 *
 * @NOTE The references between steps (workflows/steps/references.ts) read pointers, too: workflow code stays by itself.
 */
export function readPointer(value: unknown, pointer: string): unknown {
  let found = value;
  for (const key of keysOf(pointer)) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    // Its own member, as was just checked.
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** The same place as a path of SQLite's JSON functions. */
export const toSqlitePath = (pointer: string): string =>
  `$${keysOf(pointer)
    .map((key) => (/^\d+$/u.test(key) ? `[${key}]` : `."${key.replaceAll('"', '\\"')}"`))
    .join('')}`;

const keysOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
