import type { CloudEvent } from '@daca-mesh/protocol/events';
import { readPointer } from './json-pointer.ts';

/** A template with what the event has; members that stand for nothing are left out. */
export function fill(template: unknown, event: CloudEvent): unknown {
  if (typeof template !== 'object' || template === null) return template;
  if (Array.isArray(template)) return template.map((entry) => fill(entry, event) ?? null);
  const pointer = referenceIn(template);
  if (pointer !== undefined) return readPointer(event, pointer);
  return Object.fromEntries(
    Object.entries(template).flatMap(([key, entry]) => {
      const value = fill(entry, event);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

/** Where a template has what stands at a pointer in the event, as a pointer into the template. */
export function placeOf(template: unknown, pointer: string): string | undefined {
  if (typeof template !== 'object' || template === null) return undefined;
  if (referenceIn(template) === pointer) return '';
  for (const [key, entry] of Object.entries(template)) {
    const place = placeOf(entry, pointer);
    if (place !== undefined) return `/${escapeKey(key)}${place}`;
  }
  return undefined;
}

/** Where a template has text or numbers of its own among its first members, as pointers into it. */
export const constantsIn = (template: unknown): string[] =>
  typeof template !== 'object' || template === null || referenceIn(template) !== undefined
    ? []
    : Object.entries(template)
        .filter(([, entry]) => typeof entry === 'string' || typeof entry === 'number')
        .map(([key]) => `/${escapeKey(key)}`);

const escapeKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** The pointer in `{ "$": pointer }`. */
function referenceIn(template: object): string | undefined {
  const entries = Object.entries(template);
  const [only] = entries;
  return entries.length === 1 && only?.[0] === '$' && typeof only[1] === 'string' ? only[1] : undefined;
}
