import {
  CancelTaskRequest,
  GetTaskRequest,
  ListTasksRequest,
  SendMessageRequest,
  SubscribeToTaskRequest,
  TaskState,
} from '@a2a-js/sdk';
import { MeshError } from '../../mesh-error.ts';
import { isTooDeep, maxDepth } from '../../nesting.ts';

/**
 * Checks requests before the SDK's codecs see them: those turn numbers into text, drop what is malformed and let empty
 * messages pass. Written by hand, since it runs for every request. Both spellings of a field are accepted and unknown
 * fields are ignored (A2A specification, 5.5 and 5.7).
 */

type Json = Record<string, unknown>;

const maxIdLength = 256;
const maxParts = 1_000;
/** Field names as in the .proto file. */
const protoSpelling = {
  acceptedOutputModes: 'accepted_output_modes',
  configuration: 'configuration',
  contextId: 'context_id',
  extensions: 'extensions',
  filename: 'filename',
  historyLength: 'history_length',
  id: 'id',
  includeArtifacts: 'include_artifacts',
  mediaType: 'media_type',
  message: 'message',
  messageId: 'message_id',
  metadata: 'metadata',
  pageSize: 'page_size',
  pageToken: 'page_token',
  referenceTaskIds: 'reference_task_ids',
  returnImmediately: 'return_immediately',
  statusTimestampAfter: 'status_timestamp_after',
  taskId: 'task_id',
  taskPushNotificationConfig: 'task_push_notification_config',
} as const;

type Field = keyof typeof protoSpelling;

const contentFields = ['text', 'raw', 'url', 'data'] as const;

/** @throws MeshError `INVALID_ARGUMENT` with the path of what is wrong, like all parsers here. */
export function parseSendMessage(params: Json): SendMessageRequest {
  const message = requiredObject(params, 'message', '');
  if (isTooDeep(message)) refuse('message', `must be nested at most ${maxDepth} levels deep`);
  identifier(message, 'messageId', 'message', { isRequired: true });
  identifier(message, 'contextId', 'message');
  identifier(message, 'taskId', 'message');
  optionalObject(message, 'metadata', 'message');
  strings(message, 'extensions', 'message');
  strings(message, 'referenceTaskIds', 'message');
  // Only 'ROLE_USER' (or its number) is a client's role.
  if (message['role'] !== 'ROLE_USER' && message['role'] !== 1) refuse('message.role', 'must be "ROLE_USER"');
  parts(message['parts']);
  optionalObject(params, 'metadata', '');
  const configuration = optionalObject(params, 'configuration', '');
  if (configuration) {
    wholeNumber(configuration, 'historyLength', 'configuration');
    boolean(configuration, 'returnImmediately', 'configuration');
    strings(configuration, 'acceptedOutputModes', 'configuration');
    optionalObject(configuration, 'taskPushNotificationConfig', 'configuration');
  }
  return SendMessageRequest.fromJSON(params);
}

/** Parameters of GetTask. */
export function parseGetTask(params: Json): GetTaskRequest {
  identifier(params, 'id', '', { isRequired: true });
  wholeNumber(params, 'historyLength', '');
  return GetTaskRequest.fromJSON(params);
}

/** Parameters of CancelTask. */
export function parseCancelTask(params: Json): CancelTaskRequest {
  identifier(params, 'id', '', { isRequired: true });
  optionalObject(params, 'metadata', '');
  return CancelTaskRequest.fromJSON(params);
}

/** Parameters of SubscribeToTask. */
export function parseSubscribe(params: Json): SubscribeToTaskRequest {
  identifier(params, 'id', '', { isRequired: true });
  return SubscribeToTaskRequest.fromJSON(params);
}

/** Parameters of ListTasks. `pageSize` 0 means the default: some clients send it explicitly. */
export function parseListTasks(params: Json): ListTasksRequest {
  identifier(params, 'contextId', '');
  wholeNumber(params, 'pageSize', '', 100);
  wholeNumber(params, 'historyLength', '');
  boolean(params, 'includeArtifacts', '');
  const token = read(params, 'pageToken');
  if (isSet(token) && typeof token !== 'string') refuse('pageToken', 'must be a string');
  const from = read(params, 'statusTimestampAfter');
  if (isSet(from) && (typeof from !== 'string' || Number.isNaN(Date.parse(from)))) {
    refuse('statusTimestampAfter', 'must be an RFC 3339 timestamp');
  }
  const request = ListTasksRequest.fromJSON(params);
  if (request.status === TaskState.UNRECOGNIZED) refuse('status', 'is not a task state');
  return request;
}

function parts(value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) refuse('message.parts', 'must be a list with at least one part');
  if (value.length > maxParts) refuse('message.parts', `must have at most ${maxParts} parts`);
  for (const [index, part] of value.entries()) checkPart(part, `message.parts[${index}]`);
}

function checkPart(part: unknown, path: string): void {
  if (!isObject(part)) refuse(path, 'must be an object');
  const present = contentFields.filter((field) => isSet(part[field]));
  const [field, ...others] = present;
  if (field === undefined) refuse(path, 'has no content: one of text, raw, url or data is required');
  if (others.length > 0) refuse(path, `has more than one content: ${present.join(', ')}`);
  if (field !== 'data' && typeof part[field] !== 'string') refuse(`${path}.${field}`, 'must be a string');
  if (field === 'raw' && !isBase64(String(part[field]))) refuse(`${path}.raw`, 'must be base64');
  for (const name of ['mediaType', 'filename'] as const) {
    const value = read(part, name);
    if (isSet(value) && typeof value !== 'string') refuse(`${path}.${name}`, 'must be a string');
  }
  optionalObject(part, 'metadata', path);
}

/** ProtoJSON accepts both alphabets, padded or not. */
const isBase64 = (text: string): boolean => /^[A-Za-z0-9+/_-]*={0,2}$/.test(text);

function identifier(object: Json, name: Field, path: string, { isRequired = false } = {}): void {
  const value = read(object, name);
  if (!isSet(value) || value === '') {
    if (isRequired) refuse(join(path, name), 'is required');
    return;
  }
  if (typeof value !== 'string' || value.length > maxIdLength) {
    refuse(join(path, name), `must be a string of at most ${maxIdLength} characters`);
  }
}

function wholeNumber(object: Json, name: Field, path: string, max = 2 ** 31 - 1): void {
  const value = read(object, name);
  if (!isSet(value)) return;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    refuse(join(path, name), `must be a whole number from 0 to ${max}`);
  }
}

function boolean(object: Json, name: Field, path: string): void {
  const value = read(object, name);
  if (isSet(value) && typeof value !== 'boolean') refuse(join(path, name), 'must be true or false');
}

function strings(object: Json, name: Field, path: string): void {
  const value = read(object, name);
  if (!isSet(value)) return;
  if (!Array.isArray(value) || value.length > 100 || value.some((each) => typeof each !== 'string')) {
    refuse(join(path, name), 'must be a list of at most 100 strings');
  }
}

function requiredObject(object: Json, name: Field, path: string): Json {
  return optionalObject(object, name, path) ?? refuse(join(path, name), 'is required');
}

function optionalObject(object: Json, name: Field, path: string): Json | undefined {
  const value = read(object, name);
  if (!isSet(value)) return undefined;
  return isObject(value) ? value : refuse(join(path, name), 'must be an object');
}

/** A field by its camelCase name, or in the spelling of the .proto file. */
const read = (object: Json, name: Field): unknown => object[name] ?? object[protoSpelling[name]];

const isSet = (value: unknown): boolean => value !== undefined && value !== null;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function refuse(path: string, problem: string): never {
  throw new MeshError('INVALID_ARGUMENT', `${path} ${problem}`, {
    details: { path, violations: [{ path, message: problem }] },
  });
}
