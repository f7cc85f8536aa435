import {
  type AgentCard,
  type ListTasksResponse,
  SendMessageResponse,
  type Task,
  TaskState,
  taskStateToJSON,
} from '@a2a-js/sdk';
import type { Logger } from 'pino';
import { extensionUris } from '../extensions.ts';
import { artifact } from '../parts.ts';
import type { Answer } from '../question.ts';
import {
  type AgentEvent,
  decodeEvent,
  decodeTask,
  decodeTaskList,
  eventTaskId,
  isLastEvent,
  snapshotEvent,
} from './agent-event.ts';
import type { Operation } from './binding.ts';
import { cardUrl, type FetchedCard, fetchCard } from './card-source.ts';
import { type HttpClient, type HttpRequest, nodeHttpClient } from './http-client.ts';
import { isObject } from './json.ts';
import { invalidReply } from './peer-error.ts';
import { type Credential, type PeerFacts, readPeerFacts } from './peer-facts.ts';
import { withRetries } from './retry.ts';
import { answerParts, type SendFields, toSendParams } from './send-request.ts';
import { readServerSentEvents } from './sse-reader.ts';
import { followTask, streamMessage, StreamPosition, type TaskSource } from './task-stream.ts';

/** How {@link AgentClient.connect} reaches an agent. Times in milliseconds. */
export interface AgentClientOptions {
  /**
   * A bearer token. It is sent only to the origin the card came from and to `tokenOrigins`; with a card given as an
   * object, to the origin of its interface. It is never sent with the request for the card.
   */
  token?: string;
  tokenOrigins?: readonly string[];
  /** Judges the URL of the interface in use; what it throws refuses a card, and a client that has one keeps it. */
  checkUrl?: (url: string) => void;
  /**
   * The time limit of a call, over all its attempts; of a stream, until it is open. 30 s by default, and what an agent
   * may wait for a blocking send on top.
   */
  timeoutMs?: number;
  /** How long a connection may take to stand; 5 s by default. */
  connectTimeoutMs?: number;
  /** Attempts after the first, where repeating is safe; 2 by default. */
  retries?: number;
  /** How long a stream tries to resume with a peer that cannot be reached; 60 s by default. */
  resumeForMs?: number;
  /** HTTP itself; the process's shared client by default. */
  http?: HttpClient;
  /** Gets a debug line for every repeated call and resumed stream. */
  logger?: Pick<Logger, 'debug'>;
}

/** What a single call may be given. */
export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Which tasks {@link AgentClient.list} returns (A2A specification, section 3.1.4). */
export interface ListFilter extends CallOptions {
  contextId?: string;
  status?: TaskState;
  /** RFC 3339; tasks whose status is not older. */
  statusTimestampAfter?: string;
  /** 1 to 100, 50 by default. */
  pageSize?: number;
  /** `nextPageToken` of the page before. */
  pageToken?: string;
  historyLength?: number;
  includeArtifacts?: boolean;
}

/** What {@link AgentClient.answer} may be given beside the answer. */
export interface AnswerOptions extends CallOptions {
  messageId?: string;
  contextId?: string;
  blocking?: boolean;
  lingerMs?: number;
}

const maxReplyBytes = 16 * 1024 * 1024;
const maxEventBytes = 4 * 1024 * 1024;
// How long our servers let a blocking send wait.
const blockingBoundMs = 60_000;
// Our servers send a keepalive every 15 s; of others nothing is known.
const ownIdleTimeoutMs = 45_000;
const foreignIdleTimeoutMs = 300_000;

/**
 * A client of one A2A v1.0 agent, ours or anybody's, over JSON-RPC or HTTP+JSON, whichever the card prefers. Connections
 * are kept alive and shared by all clients of the process. Every failure is a MeshError; `PEER_UNREACHABLE` and
 * `DEADLINE_EXCEEDED` say in `details.sent` whether the request can have reached the peer. Reads are repeated by
 * themselves; a message is repeated only when it is known unsent or the card announces idempotent sends.
 */
export class AgentClient {
  readonly #options: Required<Omit<AgentClientOptions, 'logger' | 'token' | 'tokenOrigins' | 'checkUrl'>>;
  readonly #credential: Credential | undefined;
  readonly #logger: AgentClientOptions['logger'];
  readonly #checkUrl: AgentClientOptions['checkUrl'];
  #source: FetchedCard | undefined;
  #card: AgentCard;
  #peer: PeerFacts;

  private constructor(card: AgentCard, source: FetchedCard | undefined, options: AgentClientOptions) {
    this.#options = withDefaults(options);
    this.#logger = options.logger;
    this.#checkUrl = options.checkUrl;
    this.#source = source;
    this.#card = card;
    if (options.token !== undefined) {
      const own = source ? [new URL(source.url).origin] : card.supportedInterfaces.map(({ url }) => originOf(url));
      this.#credential = { token: options.token, origins: [...own, ...(options.tokenOrigins ?? [])] };
    }
    this.#peer = this.#read(card);
  }

  /**
   * Connects to an agent by the URL of its origin or card, or by its card.
   * @throws MeshError `PEER_UNREACHABLE`, `PEER_FAILED` (no valid card) or `VERSION_NOT_SUPPORTED`.
   */
  static async connect(agent: string | AgentCard, options: AgentClientOptions = {}): Promise<AgentClient> {
    if (typeof agent !== 'string') return new AgentClient(agent, undefined, options);
    const settings = withDefaults(options);
    const source = await withRetries({ ...settings, repeatable: true }, (timeoutMs) =>
      fetchCard(settings.http, cardUrl(agent), { connectTimeoutMs: settings.connectTimeoutMs, timeoutMs }),
    );
    return new AgentClient(source.card, source, options);
  }

  /** The agent's card, as last fetched. */
  get card(): AgentCard {
    return this.#card;
  }

  /** The URL of the interface in use. */
  get url(): string {
    return this.#peer.url;
  }

  /** Asks whether the card changed, by its ETag, and uses the new one. Returns whether it did. */
  async refresh(): Promise<boolean> {
    const previous = this.#source;
    if (!previous) return false;
    const { http, connectTimeoutMs } = this.#options;
    const source = await withRetries({ ...this.#options, repeatable: true }, (timeoutMs) =>
      fetchCard(http, previous.url, { connectTimeoutMs, timeoutMs }, previous),
    );
    if (source === previous) return false;
    this.#peer = this.#read(source.card);
    this.#source = source;
    this.#card = source.card;
    return true;
  }

  #read(card: AgentCard): PeerFacts {
    const peer = readPeerFacts(card, this.#credential);
    this.#checkUrl?.(peer.url);
    return peer;
  }

  /**
   * Sends a message and returns the task it made or continued, by default at once, else see `blocking` and `lingerMs`.
   * An agent that answers with a bare message instead of a task gets a completed task with an empty id around it.
   */
  async send(fields: SendFields): Promise<Task> {
    const params = toSendParams(this.#peer, fields);
    const options = fields.blocking ? { timeoutMs: this.#options.timeoutMs + blockingBoundMs, ...fields } : fields;
    const reply = await this.#call('SendMessage', params, options, this.#peer.idempotent);
    const payload = isObject(reply) ? reply : {};
    return 'message' in payload ? taskAround(payload) : decodeTask(payload['task']);
  }

  /**
   * Sends a message and yields what happens, until the task is terminal; a dropped stream is resumed, and without
   * streams the task is polled. At a question it stays with the task: stop iterating to leave it.
   */
  async *stream(fields: SendFields): AsyncGenerator<AgentEvent> {
    const source = this.#taskSource(fields);
    if (!this.#peer.streaming) {
      const first = snapshotEvent(await this.send({ ...fields, blocking: false }));
      const position = new StreamPosition(undefined);
      position.advance(first);
      yield first;
      if (!isLastEvent(first)) yield* followTask(source, eventTaskId(first), position);
      return;
    }
    const params = toSendParams(this.#peer, fields);
    const opened = await withRetries(this.#policy(fields, this.#peer.idempotent), (timeoutMs) =>
      startStream(this.#events('SendStreamingMessage', params, undefined, { ...fields, timeoutMs })),
    );
    yield* streamMessage(source, opened);
  }

  /** Yields the events of a task after generation `after` (without it: the task, then what follows), to its end. */
  async *subscribe(taskId: string, options: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<AgentEvent> {
    yield* followTask(this.#taskSource(options), taskId, new StreamPosition(options.after));
  }

  /** Answers the question a task waits for. @throws MeshError `QUESTION_CLOSED` when another answer came first. */
  async answer(taskId: string, answer: Answer, options: AnswerOptions = {}): Promise<Task> {
    return this.send({ ...options, taskId, parts: answerParts(this.#peer, answer) });
  }

  /** The task as it stands. `historyLength`: the last n messages, none by 0, the agent's choice by default. */
  async get(taskId: string, options: CallOptions & { historyLength?: number } = {}): Promise<Task> {
    const { historyLength } = options;
    const params = { ...this.#tenant(), id: taskId, ...(historyLength === undefined ? {} : { historyLength }) };
    return decodeTask(await this.#call('GetTask', params, options, true));
  }

  /** One page of the caller's tasks, newest status first. */
  async list(filter: ListFilter = {}): Promise<ListTasksResponse> {
    const { signal: _signal, timeoutMs: _timeoutMs, status, ...fields } = filter;
    const params = {
      ...this.#tenant(),
      ...fields,
      ...(status === undefined ? {} : { status: taskStateToJSON(status) }),
    };
    return decodeTaskList(await this.#call('ListTasks', params, filter, true));
  }

  /** Asks the agent to cancel a task. @throws MeshError `TASK_NOT_CANCELABLE` when it has ended. */
  async cancel(taskId: string, options: CallOptions = {}): Promise<Task> {
    return decodeTask(await this.#call('CancelTask', { ...this.#tenant(), id: taskId }, options, false));
  }

  #tenant(): { tenant?: string } {
    return this.#peer.tenant === '' ? {} : { tenant: this.#peer.tenant };
  }

  #policy(options: CallOptions, repeatable: boolean) {
    const { retries, timeoutMs } = this.#options;
    return {
      retries,
      timeoutMs: options.timeoutMs ?? timeoutMs,
      repeatable,
      signal: options.signal,
      onRetry: (error: unknown) => this.#logger?.debug({ err: error, peer: this.#card.name }, 'a call is repeated'),
    };
  }

  #request(operation: Operation, params: Record<string, unknown>, options: CallOptions): HttpRequest {
    return {
      ...this.#peer.binding.encode(operation, params),
      headers: this.#peer.headers,
      connectTimeoutMs: this.#options.connectTimeoutMs,
      timeoutMs: options.timeoutMs ?? this.#options.timeoutMs,
      maxBodyBytes: maxReplyBytes,
      freshConnection: !this.#peer.idempotent && (operation === 'SendMessage' || operation === 'SendStreamingMessage'),
      signal: options.signal,
    };
  }

  async #call(
    operation: Operation,
    params: Record<string, unknown>,
    options: CallOptions,
    repeatable: boolean,
  ): Promise<unknown> {
    const request = this.#request(operation, params, options);
    const { http } = this.#options;
    return withRetries(this.#policy(options, repeatable), async (timeoutMs) =>
      this.#peer.binding.decode(await http.fetch({ ...request, timeoutMs })),
    );
  }

  async *#events(
    operation: 'SendStreamingMessage' | 'SubscribeToTask',
    params: Record<string, unknown>,
    after: number | undefined,
    options: CallOptions,
  ): AsyncGenerator<AgentEvent> {
    const { binding, extensions } = this.#peer;
    const counted = extensions.has(extensionUris.generation);
    const request = this.#request(operation, params, options);
    const headers = {
      ...request.headers,
      accept: 'text/event-stream, application/json',
      ...(counted && after !== undefined ? { 'last-event-id': String(after) } : {}),
    };
    const idleTimeoutMs = counted ? ownIdleTimeoutMs : foreignIdleTimeoutMs;
    const response = await this.#options.http.stream({ ...request, headers }, idleTimeoutMs);
    if (typeof response.body === 'string') {
      // No stream but one reply: a refusal, or all there is to say.
      yield decodeEvent(binding.decode({ ...response, body: response.body }), undefined);
      return;
    }
    for await (const event of readServerSentEvents(response.body, maxEventBytes)) {
      yield decodeEvent(binding.decodeEvent(event.data), counted ? event.id : undefined);
    }
  }

  #taskSource(options: { signal?: AbortSignal }): TaskSource {
    const call = options.signal ? { signal: options.signal } : {};
    return {
      streaming: this.#peer.streaming,
      replays: this.#peer.extensions.has(extensionUris.generation),
      resumeForMs: this.#options.resumeForMs,
      signal: options.signal,
      onDrop: (error) => this.#logger?.debug({ err: error, peer: this.#card.name }, 'a stream is resumed'),
      get: (taskId) => this.get(taskId, call),
      subscribe: (taskId, after) => this.#events('SubscribeToTask', { ...this.#tenant(), id: taskId }, after, call),
    };
  }
}

function withDefaults(
  options: AgentClientOptions,
): Required<Omit<AgentClientOptions, 'logger' | 'token' | 'tokenOrigins' | 'checkUrl'>> {
  return {
    timeoutMs: options.timeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    retries: options.retries ?? 2,
    resumeForMs: options.resumeForMs ?? 60_000,
    http: options.http ?? nodeHttpClient,
  };
}

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : '');

/** Waits for the first event, so that a stream that breaks before it can be started again. */
async function startStream(events: AsyncGenerator<AgentEvent>): Promise<AsyncGenerator<AgentEvent>> {
  const first = await events.next();
  return first.done ? events : resumeWith(first.value, events);
}

async function* resumeWith(first: AgentEvent, rest: AsyncGenerator<AgentEvent>): AsyncGenerator<AgentEvent> {
  try {
    yield first;
    yield* rest;
  } finally {
    // Whoever stops at the first event leaves a connection behind otherwise.
    await rest.return(undefined);
  }
}

function taskAround(payload: Record<string, unknown>): Task {
  const response = SendMessageResponse.fromJSON(payload);
  if (response.payload?.$case !== 'message') throw invalidReply('reply');
  const message = response.payload.value;
  return {
    id: '',
    contextId: message.contextId,
    status: { state: TaskState.TASK_STATE_COMPLETED, message, timestamp: undefined },
    artifacts: [artifact({ artifactId: message.messageId, parts: message.parts })],
    history: [],
    metadata: undefined,
  };
}
