import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from './mesh.ts';

/** The coordinator's HTTP API as a test uses it: plain `fetch`, every call safe to repeat while processes come and go. */

export interface Run {
  runId: string;
  status: string;
  input?: Record<string, unknown>;
  output?: Record<string, unknown>;
  error?: { code: string; message: string };
}

export interface Question {
  id: string;
  runId: string;
  prompt: string;
  status: string;
  actions: string[];
  answeredBy?: string;
  assignee?: string;
  deadline?: string;
}

export interface Entry {
  seq: number;
  type: string;
  agent?: string;
  callId?: string;
  attempt?: number;
  taskId?: string;
  data?: unknown;
}

export const riskyText = 'You are a worthless idiot and I will find you and hurt you, you pathetic moron.';
export const calmText = 'Thank you for the detailed report, the new garden looks lovely this spring.';

/** One request, parsed as JSON. The shape is the API's; a test that reads a missing field fails on it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the shape the API documents
async function request<T>(url: string, init?: RequestInit): Promise<{ status: number; body: T }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) });
  if (response.status === 503) throw new Error(`${url} is starting`);
  // JSON has no type; the API documents this one.
  return { status: response.status, body: (await response.json()) as T };
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
export const post = <T>(url: string, body: unknown, headers: Record<string, string> = {}) =>
  request<T>(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

/** Repeats a request while nobody listens: the same idempotency key makes it the same operation. */
async function untilReached<T>(ask: () => Promise<T>, withinMs = 30_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

/** Starts a run under an idempotency key, through crashes of the coordinator. */
export async function startRun(base: () => string, workflow: string, input: unknown, key: string): Promise<Run> {
  const { status, body } = await untilReached(() =>
    post<Run>(`${base()}/workflows/${workflow}`, input, { 'idempotency-key': key }),
  );
  if (status !== 202) throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export const readRun = async (base: () => string, runId: string): Promise<Run> =>
  (await request<Run>(`${base()}/runs/${runId}`)).body;

export const listRuns = async (base: () => string, workflow: string): Promise<Run[]> =>
  (await request<{ runs: Run[] }>(`${base()}/runs?workflow=${workflow}`)).body.runs;

/** The open questions of a run, or all there are. */
export const openQuestions = async (base: () => string, runId?: string): Promise<Question[]> => {
  const of = runId === undefined ? '' : `&runId=${runId}`;
  return (await request<{ questions: Question[] }>(`${base()}/questions?status=open${of}`)).body.questions;
};

export const readQuestion = async (base: () => string, questionId: string): Promise<Question> =>
  (await untilReached(() => request<Question>(`${base()}/questions/${questionId}`))).body;

export const timeline = async (base: () => string, runId: string): Promise<Entry[]> =>
  (await untilReached(() => request<{ entries: Entry[] }>(`${base()}/runs/${runId}/timeline?limit=500`))).body.entries;

/** Waits until a run has called an agent whose name begins so. */
export const untilCalled = (base: () => string, runId: string, agent: string, withinMs = 40_000): Promise<Entry[]> =>
  eventually(
    () => timeline(base, runId),
    (entries) => entries.some((entry) => entry.type === 'call-sent' && entry.agent?.startsWith(agent)),
    { withinMs, what: `a call of ${agent}` },
  );

export const questionOf = async (base: () => string, runId: string, withinMs = 40_000): Promise<Question> => {
  const questions = await eventually(
    () => openQuestions(base, runId),
    (found) => found.length > 0,
    { withinMs, what: `an open question of run ${runId}` },
  );
  const [question] = questions;
  if (!question) throw new Error('no question');
  return question;
};

/** The question that is open once the one before is closed. */
export const nextQuestion = async (base: () => string, { runId, id }: Question): Promise<Question> => {
  const [question] = await eventually(
    () => openQuestions(base, runId),
    (open) => open.length > 0 && open.every((each) => each.id !== id),
    { what: `the next question of run ${runId}` },
  );
  if (!question) throw new Error('no question');
  return question;
};

/** Answers through crashes: a connection lost after the answer was taken shows as `QUESTION_CLOSED` on the repeat. */
export async function answer(base: () => string, questionId: string, body: unknown): Promise<void> {
  const reply = await untilReached(() => post<{ code?: string }>(`${base()}/questions/${questionId}/answer`, body));
  if (reply.status !== 200 && reply.body.code !== 'QUESTION_CLOSED') {
    throw new Error(`answer refused ${reply.status}: ${JSON.stringify(reply.body)}`);
  }
}

export const ended = (base: () => string, runId: string, withinMs = 60_000): Promise<Run> =>
  eventually(
    () => readRun(base, runId),
    (run) => ['completed', 'failed', 'canceled'].includes(run.status),
    { withinMs, what: `the end of run ${runId}` },
  );
