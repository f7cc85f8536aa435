import { type Artifact, type Message, type Part, Role } from '@a2a-js/sdk';
import { newId } from './ids.ts';

/** A text part. */
export const textPart = (text: string): Part => ({
  content: { $case: 'text', value: text },
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
});

/** A data part: any JSON value. */
export const dataPart = (data: unknown): Part => ({
  content: { $case: 'data', value: data },
  metadata: undefined,
  filename: '',
  mediaType: 'application/json',
});

/** All text of a list of parts, one line per part. */
export const textOf = (parts: readonly Part[] | undefined): string =>
  (parts ?? []).flatMap((part) => (part.content?.$case === 'text' ? [part.content.value] : [])).join('\n');

/** The values of all data parts, in order. */
export const dataOf = (parts: readonly Part[] | undefined): unknown[] =>
  // The SDK types the value of a data part as `any`.
  (parts ?? []).flatMap((part) => (part.content?.$case === 'data' ? [part.content.value as unknown] : []));

/** What a message may be given; everything else is filled in. */
export interface MessageFields {
  parts: Part[];
  /** Random by default. A durable step passes its own, so that a repeated send is recognized. */
  messageId?: string;
  taskId?: string;
  contextId?: string;
  metadata?: Record<string, unknown>;
  extensions?: string[];
  referenceTaskIds?: string[];
}

const message = (role: Role, fields: MessageFields): Message => ({
  messageId: fields.messageId ?? newId(),
  contextId: fields.contextId ?? '',
  taskId: fields.taskId ?? '',
  role,
  parts: fields.parts,
  metadata: fields.metadata,
  extensions: fields.extensions ?? [],
  referenceTaskIds: fields.referenceTaskIds ?? [],
});

/** A message from a client (ROLE_USER). */
export const userMessage = (fields: MessageFields): Message => message(Role.ROLE_USER, fields);

/** A message from an agent (ROLE_AGENT). */
export const agentMessage = (fields: MessageFields): Message => message(Role.ROLE_AGENT, fields);

/** An artifact with defaults filled in. */
export const artifact = (fields: {
  parts: Part[];
  artifactId?: string;
  name?: string;
  description?: string;
  metadata?: Record<string, unknown>;
  extensions?: string[];
}): Artifact => ({
  artifactId: fields.artifactId ?? newId(),
  name: fields.name ?? '',
  description: fields.description ?? '',
  parts: fields.parts,
  metadata: fields.metadata,
  extensions: fields.extensions ?? [],
});
