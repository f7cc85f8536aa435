import { hash, randomUUID } from 'node:crypto';
import canonicalize from 'canonicalize';
import { v7 } from 'uuid';

/** A new task or run id: a lower-case UUIDv7 (36 characters), so that ids sort by their time of creation. */
export const newTaskId = (): string => v7();

/** A new random id for messages, contexts and artifacts. */
export const newId = (): string => randomUUID();

/** The SHA-256, in hex, of a value's canonical JSON (RFC 8785). */
export function digest(value: unknown): string {
  return hash('sha256', canonicalize(value) ?? 'null', 'hex');
}
