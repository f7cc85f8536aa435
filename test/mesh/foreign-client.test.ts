import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Role, type SendMessageRequest, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { ClientFactory } from '@a2a-js/sdk/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Question, riskyText, type Run } from './api.ts';
import { eventually, Mesh } from './mesh.ts';

/** Clients that know nothing but the coordinator's address: the official A2A SDK, and plain HTTP by polling. */

let mesh: Mesh;
beforeAll(async () => {
  mesh = await Mesh.start({ peers: ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'] });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

const send = (data: unknown, ids: { taskId?: string; contextId?: string } = {}): SendMessageRequest => ({
  tenant: '',
  message: {
    messageId: crypto.randomUUID(),
    contextId: ids.contextId ?? '',
    taskId: ids.taskId ?? '',
    role: Role.ROLE_USER,
    parts: [{ content: { $case: 'data', value: data }, metadata: undefined, filename: '', mediaType: '' }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  },
  configuration: undefined,
  metadata: undefined,
});

const dataOf = (parts: Task['artifacts'][number]['parts']): unknown =>
  parts.find((part) => part.content?.$case === 'data')?.content?.value;

describe('the official SDK client', () => {
  it(
    'moderates a post: starts by plain data, streams, is asked, answers, gets the artifact',
    { timeout: 90_000 },
    async () => {
      const client = await new ClientFactory().createFromUrl(mesh.coordinator);
      const stream = client.sendMessageStream(
        send({ skill: 'content-moderation', input: { text: riskyText, postId: 'post-sdk' } }),
      );
      const states: TaskState[] = [];
      let task: { taskId: string; contextId: string } | undefined;
      let decision: unknown;
      let answered = false;
      for await (const { payload } of stream) {
        const status = statusOf(payload);
        if (payload?.$case === 'task') task = { taskId: payload.value.id, contextId: payload.value.contextId };
        if (payload?.$case === 'artifactUpdate') decision = dataOf(payload.value.artifact?.parts ?? []);
        if (!status) continue;
        if (states.at(-1) !== status.state) states.push(status.state);
        if (status.state !== TaskState.TASK_STATE_INPUT_REQUIRED || answered) continue;
        answered = true;
        const question = dataOf(status.message?.parts ?? []);
        expect(question).toMatchObject({ id: expect.any(String), actions: expect.arrayContaining(['reject']) });
        expect(status.message?.parts[0]?.content?.value).toContain('reject');
        await client.sendMessage({
          ...send({ action: 'reject', reason: 'a threat' }, task),
          configuration: {
            acceptedOutputModes: [],
            taskPushNotificationConfig: undefined,
            historyLength: undefined,
            returnImmediately: true,
          },
        });
      }
      expect(states).toEqual(
        expect.arrayContaining([TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_COMPLETED]),
      );
      expect(states.at(-1)).toBe(TaskState.TASK_STATE_COMPLETED);
      expect(decision).toMatchObject({ decision: 'rejected' });
      const stored = await client.getTask({ tenant: '', id: task?.taskId ?? '', historyLength: undefined });
      expect(stored.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
      expect(dataOf(stored.artifacts[0]?.parts ?? [])).toEqual(decision);
    },
  );
});

const statusOf = (payload: StreamResponse['payload']): Task['status'] => {
  if (payload?.$case === 'task' || payload?.$case === 'statusUpdate') return payload.value.status;
  return undefined;
};

interface Reply<T> {
  status: number;
  headers: Headers;
  body: T;
}

const json = async <T>(path: string, body?: unknown): Promise<Reply<T>> => {
  const response = await fetch(`${mesh.coordinator}${path}`, {
    ...(body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(40_000),
  });
  // The shape is the API's; a test that reads a missing field fails on it.
  return { status: response.status, headers: response.headers, body: (await response.json()) as T };
};

const execute = promisify(execFile);

/** One A2A request by the `curl` of the machine, with nothing but a content type. */
async function curl(method: string, params: object): Promise<CurlTask> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = ['-H', 'content-type: application/json', '-H', 'a2a-version: 1.0'];
  const { stdout } = await execute('curl', ['-sS', ...headers, '-d', body, `${mesh.coordinator}/a2a/jsonrpc`]);
  // ProtoJSON of the specification; a test that reads a missing field fails on it.
  const { result } = JSON.parse(stdout) as { result: CurlTask & { task?: CurlTask } };
  return result.task ?? result;
}

interface CurlTask {
  id: string;
  status: { state: string; message?: { parts: { text?: string }[] } };
  artifacts?: { parts: { data?: unknown }[] }[];
}

describe('curl', () => {
  it('moderates a post over A2A by polling, answering in words', { timeout: 90_000 }, async () => {
    const data = { skill: 'content-moderation', input: { text: riskyText, postId: 'post-curl' } };
    const message = { role: 'ROLE_USER', parts: [{ data }], messageId: crypto.randomUUID() };
    const { id } = await curl('SendMessage', { message, configuration: { returnImmediately: true } });
    const until = (state: string) =>
      eventually(
        () => curl('GetTask', { id }),
        ({ status }) => status.state === state,
        { what: `the task in ${state}` },
      );
    const asking = await until('TASK_STATE_INPUT_REQUIRED');
    expect(asking.status.message?.parts[0]?.text).toContain('approve');
    const parts = [{ text: 'reject: a threat' }];
    await curl('SendMessage', { message: { role: 'ROLE_USER', taskId: id, parts, messageId: crypto.randomUUID() } });
    const done = await until('TASK_STATE_COMPLETED');
    expect(done.artifacts?.[0]?.parts[0]?.data).toMatchObject({ decision: 'rejected', reason: 'a threat' });
  });
});

describe('plain HTTP', () => {
  it('moderates a post by polling', { timeout: 90_000 }, async () => {
    const started = await json<Run>('/workflows/content-moderation', { text: riskyText, postId: 'post-http' });
    expect(started.status).toBe(202);
    const location = started.headers.get('location') ?? '';
    expect(location).toBe(`/runs/${started.body.runId}`);
    expect(Number(started.headers.get('retry-after'))).toBeGreaterThan(0);
    await eventually(
      () => json<Run>(location),
      ({ body }) => body.status === 'waiting',
      { what: 'a waiting run' },
    );
    const { questions } = (await json<{ questions: Question[] }>(`/questions?status=open&runId=${started.body.runId}`))
      .body;
    expect(questions).toHaveLength(1);
    const answer = await json<Question>(`/questions/${questions[0]?.id}/answer`, { action: 'approve', by: 'ada' });
    expect(answer).toMatchObject({ status: 200, body: { status: 'answered', answeredBy: 'ada' } });
    const late = await json(`/questions/${questions[0]?.id}/answer`, { action: 'reject', reason: 'no', by: 'bob' });
    expect(late).toMatchObject({ status: 409, body: { code: 'QUESTION_CLOSED', answeredBy: 'ada' } });
    const { body: run } = await eventually(
      () => json<Run>(`${location}?wait=30s`),
      ({ body }) => body.status === 'completed',
      { what: 'the completed run' },
    );
    expect(run.output).toMatchObject({ decision: 'approved', decidedBy: 'ada' });
  });

  it('follows a run by server-sent events to its end, and resumes without a gap', { timeout: 90_000 }, async () => {
    const started = await json<Run>('/workflows/content-moderation', {
      text: 'Thank you for the detailed report.',
      postId: 'post-sse',
    });
    const read = async (after: number): Promise<number[]> => {
      const response = await fetch(`${mesh.coordinator}/runs/${started.body.runId}/events`, {
        headers: after > 0 ? { 'last-event-id': String(after) } : {},
      });
      return [...(await response.text()).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    };
    const all = await read(0);
    expect(all).toEqual(all.map((_, index) => index + 1));
    expect(await read(2)).toEqual(all.slice(2));
    expect(await read(all.length)).toEqual([]);
  });
});
