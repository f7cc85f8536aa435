import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';

/**
 * References of a step to the results of others: `{ "$from": "keywords", "pointer": "/keywords/0" }`, the pointer a JSON
 * Pointer (RFC 6901) into the result, absent for all of it. The value is put in its place, whatever its type; there are no
 * templates. (`$ref` is not used for it: a step is shown in OpenAPI documents, whose readers would follow it.)
 */

/** A reference, and where it stands. */
export interface Reference {
  /** Where in the input it stands, as a path for people: `input.items[0]`. */
  at: string;
  step: string;
  pointer: readonly string[];
}

const From = z.strictObject({
  $from: z.string(),
  pointer: z
    .string()
    .regex(/^(?:\/(?:[^~/]|~0|~1)*)*$/u)
    .default(''),
});

/** The references within a value, in order. @throws MeshError `INVALID_ARGUMENT` for one that is none. */
export function findReferences(value: unknown, at: string): Reference[] {
  const found: Reference[] = [];
  replace(value, at, (reference) => {
    found.push(reference);
    return null;
  });
  return found;
}

/** The most characters that references stand for in one input: a short one could refer to a large result very often. */
const maxResolvedChars = 4 * 1024 * 1024;

/**
 * The value with what its references stand for.
 * @throws MeshError `INVALID_ARGUMENT` for one that leads nowhere, `PAYLOAD_TOO_LARGE`.
 */
export function resolveReferences(value: unknown, at: string, outputs: ReadonlyMap<string, unknown>): unknown {
  let chars = 0;
  return replace(value, at, (reference) => {
    let here = outputs.get(reference.step);
    for (const key of reference.pointer) {
      if (!holds(here, key)) throw misplaced(reference, `the result of step "${reference.step}" has no such value`);
      here = here[key];
    }
    if (here === undefined) throw misplaced(reference, `step "${reference.step}" has no result`);
    chars += JSON.stringify(here).length;
    if (chars <= maxResolvedChars) return here;
    const message = `${reference.at}: references stand for more than ${maxResolvedChars} characters`;
    throw new MeshError('PAYLOAD_TOO_LARGE', message, { details: { path: reference.at } });
  });
}

/** Own keys only: `__proto__` and the like lead nowhere, nor does the length of an array. */
const holds = (value: unknown, key: string): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  Object.hasOwn(value, key) &&
  (!Array.isArray(value) || /^(?:0|[1-9]\d*)$/u.test(key));

function misplaced({ at, step, pointer }: Reference, why: string): MeshError {
  const place = pointer.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return new MeshError('INVALID_ARGUMENT', `${at}: ${why}${place === '' ? '' : ` at ${place}`}`, {
    details: { path: at, step, pointer: place },
  });
}

function replace(value: unknown, at: string, take: (reference: Reference) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown, index) => replace(item, `${at}[${index}]`, take));
  if (typeof value !== 'object' || value === null) return value;
  if ('$from' in value) return take(parseReference(value, at));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replace(each, `${at}.${key}`, take)]));
}

function parseReference(value: object, at: string): Reference {
  const parsed = From.safeParse(value);
  if (!parsed.success) {
    const message = `${at}: a reference is { "$from": "<step id>", "pointer": "/<JSON Pointer>" } and nothing else`;
    throw new MeshError('INVALID_ARGUMENT', message, { details: { path: at } });
  }
  const keys = parsed.data.pointer.split('/').slice(1);
  return { at, step: parsed.data.$from, pointer: keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~')) };
}
