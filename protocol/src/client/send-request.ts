import { type Part, SendMessageRequest } from '@a2a-js/sdk';
import { extensionUris } from '../extensions.ts';
import { newId } from '../ids.ts';
import { dataPart, textPart, userMessage } from '../parts.ts';
import type { Answer } from '../question.ts';
import { isObject } from './json.ts';
import type { PeerFacts } from './peer-facts.ts';

/** A message to send. At least one of `input`, `text` and `parts` says what. */
export interface SendFields {
  /** The skill the message is meant for; agents that do not announce skill selection choose for themselves. */
  skill?: string;
  /** The skill's input, as a data part. */
  input?: unknown;
  text?: string;
  /** Further parts, sent before `input` and `text`. */
  parts?: Part[];
  /** Random by default. A durable caller passes its own, and the same bytes with it, to make a repetition harmless. */
  messageId?: string;
  contextId?: string;
  /** Continues this task instead of starting one. */
  taskId?: string;
  /** Metadata of the message, beside what this client puts there. */
  metadata?: Record<string, unknown>;
  /** Waits until the task ends or asks, within the peer's bound; false by default: the reply is the task as it stands. */
  blocking?: boolean;
  /** How long a non-blocking send may wait for a fast result, in milliseconds. */
  lingerMs?: number;
  /** Identifies the effect this message is to have, over all attempts of it. */
  effectKey?: string;
  /** The chain of delegation the message belongs to. */
  chain?: Record<string, unknown>;
  signal?: AbortSignal;
  /** How long the call may take; the client's default otherwise. */
  timeoutMs?: number;
}

/** The ProtoJSON of a SendMessage request. Extension data goes only to peers that announce the extension. */
export function toSendParams(peer: PeerFacts, fields: SendFields): Record<string, unknown> {
  const extensionMetadata = extensionEntries(fields).filter(([uri]) => peer.extensions.has(uri));
  const metadata = { ...fields.metadata, ...Object.fromEntries(extensionMetadata) };
  const request = SendMessageRequest.toJSON({
    tenant: peer.tenant,
    message: userMessage({
      messageId: fields.messageId ?? newId(),
      parts: toParts(peer, fields),
      extensions: extensionMetadata.map(([uri]) => uri),
      ...(fields.taskId === undefined ? {} : { taskId: fields.taskId }),
      ...(fields.contextId === undefined ? {} : { contextId: fields.contextId }),
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    }),
    configuration: {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      // The caller knows what it sent; the history is asked for where it is wanted.
      historyLength: 0,
      returnImmediately: fields.blocking !== true,
    },
    metadata: undefined,
  });
  // toJSON returns a plain object of the request's fields.
  return request as Record<string, unknown>;
}

/** An answer as a message: data for agents that announce questions, plain words for all others. */
export function answerParts(peer: PeerFacts, answer: Answer): Part[] {
  if (peer.extensions.has(extensionUris.question)) return [dataPart(answer)];
  const { action, value, reason } = answer;
  if (value === undefined) return [textPart(reason === undefined ? action : `${action}: ${reason}`)];
  if (typeof value === 'string') return [textPart(value)];
  return [peer.acceptsData ? dataPart(value) : textPart(JSON.stringify(value))];
}

function extensionEntries(fields: SendFields): [string, Record<string, unknown>][] {
  const entries: [string, Record<string, unknown>][] = [];
  if (fields.skill !== undefined) entries.push([extensionUris.skill, { id: fields.skill }]);
  if (fields.effectKey !== undefined) entries.push([extensionUris.idempotency, { effectKey: fields.effectKey }]);
  if (fields.lingerMs !== undefined) entries.push([extensionUris.linger, { ms: fields.lingerMs }]);
  if (fields.chain !== undefined) entries.push([extensionUris.chain, fields.chain]);
  return entries;
}

function toParts(peer: PeerFacts, fields: SendFields): Part[] {
  const parts = [...(fields.parts ?? [])];
  if (fields.input !== undefined)
    parts.push(peer.acceptsData ? dataPart(fields.input) : textPart(inWords(fields.input)));
  if (fields.text !== undefined) parts.push(textPart(fields.text));
  if (parts.length === 0) throw new TypeError('a message needs input, text or parts');
  return parts;
}

function inWords(input: unknown): string {
  if (typeof input === 'string') return input;
  const onlyText = isObject(input) && Object.keys(input).length === 1 ? input['text'] : undefined;
  return typeof onlyText === 'string' ? onlyText : JSON.stringify(input);
}
