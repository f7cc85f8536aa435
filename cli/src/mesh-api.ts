import { Answer, type AnswerAction, Approvals, MeshError } from '@daca-mesh/protocol';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { z } from 'zod';
import { EventsApi } from './events-api.ts';
import { request, requestJson, toTransportError } from './request-json.ts';
import { type TimelineEntry, TimelineEntry as TimelineEntrySchema } from './timeline-entry.ts';

export const RunStatus = z.enum([
  'pending',
  'running',
  'waiting',
  'suspended',
  'stalled',
  'canceling',
  'completed',
  'failed',
  'canceled',
]);

/** A run, in the form of the HTTP API; fields this version does not know are kept for `--json`. */
export const Run = z.looseObject({
  runId: z.string(),
  workflow: z.string(),
  version: z.number(),
  status: RunStatus,
  progress: z.unknown().optional(),
  input: z.unknown().optional(),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  stalled: z.object({ reason: z.string(), message: z.string() }).optional(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type Run = z.infer<typeof Run>;

const Started = z.looseObject({ runId: z.string() });

/** A question of the inbox. */
export const Question = z.looseObject({
  id: z.string(),
  runId: z.string(),
  prompt: z.string(),
  actions: z.array(Answer.shape.action),
  schema: z.unknown().optional(),
  arguments: z.unknown().optional(),
  path: z.array(z.string()),
  assignee: z.string().optional(),
  mayAnswer: z.array(z.string()).optional(),
  approvals: Approvals.optional(),
  deadline: z.string().optional(),
  status: z.string(),
  answeredBy: z.string().optional(),
});
export type Question = z.infer<typeof Question>;

const Peer = z.looseObject({
  name: z.string(),
  url: z.string(),
  status: z.string(),
  skills: z.array(z.looseObject({ id: z.string() })),
});

/** A call a run waits for. */
export const OpenCall = z.looseObject({
  callId: z.string(),
  attempt: z.number(),
  state: z.enum(['unsent', 'sending', 'working']),
  skill: z.string().optional(),
  agent: z.string().optional(),
  url: z.string().optional(),
  agentStatus: z.enum(['up', 'down', 'unknown']),
  lastSeenAt: z.string().optional(),
  nextTryAt: z.string().optional(),
  deadline: z.string().optional(),
});
export type OpenCall = z.infer<typeof OpenCall>;

const Artifacts = z.looseObject({
  artifacts: z.array(z.looseObject({ artifactId: z.string(), name: z.string(), mediaType: z.string() })),
});

const nextCursor = z.string().nullish();
const Runs = z.looseObject({ runs: z.array(Run), nextCursor });
const Questions = z.looseObject({ questions: z.array(Question), nextCursor });
const OpenCalls = z.looseObject({ calls: z.array(OpenCall) });
const Peers = z.looseObject({ peers: z.array(Peer) });
const Timeline = z.looseObject({ entries: z.array(TimelineEntrySchema), nextCursor });

/** An answer to a question. */
export interface AnswerBody {
  action: AnswerAction;
  value?: unknown;
  reason?: string;
  by?: string;
}

/** What `GET /runs` is asked for. */
export interface RunFilter {
  status?: string | undefined;
  workflow?: string | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** What `GET /questions` is asked for. */
export interface QuestionFilter {
  status?: string | undefined;
  runId?: string | undefined;
  /** A person or role that may answer. */
  assignee?: string | undefined;
  /** `true`: those of the caller. */
  mine?: string | undefined;
}

/** The coordinator's HTTP API. Refusals are thrown as MeshErrors with the code of the problem document. */
export class MeshApi {
  readonly url: string;
  /** CloudEvents: those that came and went, and those that were given up. */
  readonly events: EventsApi = new EventsApi((schema, path, query = {}, method) =>
    this.#call(schema, `${path}${queryOf(query)}`, method === undefined ? {} : { method, body: {} }),
  );
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;

  constructor(url: string, options: { token?: string | undefined; signal?: AbortSignal | undefined } = {}) {
    this.url = url;
    this.#token = options.token;
    this.#signal = options.signal;
  }

  /** Starts a run; with the same `key` again it is the same run. */
  async start(workflow: string, input: unknown, key: string): Promise<string> {
    const path = `/workflows/${encodeURIComponent(workflow)}`;
    const headers = { 'idempotency-key': key };
    return (await this.#call(Started, path, { method: 'POST', body: input, headers })).runId;
  }

  run(runId: string): Promise<Run> {
    return this.#call(Run, runPath(runId));
  }

  runs(filter: RunFilter = {}) {
    return this.#call(Runs, `/runs${queryOf({ ...filter })}`);
  }

  /** What a run and its children wait for from agents. */
  async openCalls(runId: string): Promise<OpenCall[]> {
    return (await this.#call(OpenCalls, `${runPath(runId)}/calls`)).calls;
  }

  /** Asks a run to be canceled, suspended or resumed, and returns what was answered. */
  control(runId: string, action: 'cancel' | 'suspend' | 'resume', body: unknown = {}): Promise<unknown> {
    return this.#call(z.unknown(), `${runPath(runId)}/${action}`, { method: 'POST', body });
  }

  /** What a run made; nothing before it has completed. */
  artifacts(runId: string) {
    return this.#call(Artifacts, `${runPath(runId)}/artifacts`);
  }

  /** The text of an artifact. */
  async artifact(runId: string, artifactId: string): Promise<string> {
    const url = `${this.url}${runPath(runId)}/artifacts/${encodeURIComponent(artifactId)}`;
    const response = await request(url, { token: this.#token, signal: this.#signal, headers: { accept: '*/*' } });
    return response.text();
  }

  /** The whole timeline of a run as it stands. */
  async timeline(runId: string): Promise<TimelineEntry[]> {
    const entries: TimelineEntry[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#call(Timeline, `${runPath(runId)}/timeline${queryOf({ cursor })}`);
      entries.push(...page.entries);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return entries;
  }

  /** The timeline after an entry as it grows, until the coordinator ends the stream or it breaks (PEER_UNREACHABLE). */
  async *follow(runId: string, afterSeq: number): AsyncGenerator<TimelineEntry> {
    const url = `${this.url}${runPath(runId)}/events`;
    const options = { token: this.#token, signal: this.#signal };
    const headers = { accept: 'text/event-stream', ...(afterSeq > 0 ? { 'last-event-id': String(afterSeq) } : {}) };
    const response = await request(url, { ...options, headers });
    if (response.body === null) return;
    const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    try {
      for await (const event of events) yield toEntry(event.data, url);
    } catch (cause) {
      throw cause instanceof MeshError ? cause : toTransportError(cause, url, options);
    }
  }

  questions(filter: QuestionFilter = {}) {
    return this.#call(Questions, `/questions${queryOf({ ...filter })}`);
  }

  question(questionId: string): Promise<Question> {
    return this.#call(Question, questionPath(questionId));
  }

  answer(questionId: string, answer: AnswerBody): Promise<Question> {
    return this.#call(Question, `${questionPath(questionId)}/answer`, { method: 'POST', body: answer });
  }

  peers() {
    return this.#call(Peers, '/peers');
  }

  #call<T>(
    schema: z.ZodType<T>,
    path: string,
    options: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<T> {
    return requestJson(schema, `${this.url}${path}`, {
      ...options,
      token: this.#token,
      signal: this.#signal,
      unreachable: `the coordinator at ${this.url} does not answer; is the mesh running? ("mesh ps", "mesh up")`,
    });
  }
}

function toEntry(data: string, url: string): TimelineEntry {
  try {
    return TimelineEntrySchema.parse(JSON.parse(data));
  } catch (cause) {
    throw new MeshError('INTERNAL', `${url} sent an event in an unexpected form`, { cause });
  }
}

const runPath = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;
const questionPath = (questionId: string): string => `/questions/${encodeURIComponent(questionId)}`;

function queryOf(parameters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.size === 0 ? '' : `?${query.toString()}`;
}
