import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import { http, openQuestion, startCoordinator } from './coordinator.ts';
import { AgentProcess } from './fixtures/agent-process.ts';

/** What an agent asks travels through the coordinator to whoever answers there, and the answer back to the agent. */

const errand = defineWorkflow({
  name: 'errand',
  version: 1,
  description: 'Has a room booked by an agent.',
  input: z.strictObject({ room: z.string() }).meta({ examples: [{ room: 'blue' }] }),
  output: z.unknown(),
  async *run(mesh, input) {
    return yield* mesh.call({ agent: 'booking', skill: 'book' }, input);
  },
});

/** Its agent is a coordinator, whose own workflow asks. */
const delegate = defineWorkflow({
  name: 'delegate',
  version: 1,
  description: 'Has another coordinator review a text.',
  input: z.strictObject({ post: z.string() }).meta({ examples: [{ post: 'a post' }] }),
  output: z.unknown(),
  async *run(mesh, { post }) {
    return yield* mesh.call({ agent: 'coordinator', skill: 'review' }, { text: post });
  },
});

const send = async (url: string, message: object) => {
  const { body } = await http(
    `${url}/a2a/jsonrpc`,
    { jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message: { role: 'ROLE_USER', ...message } } },
    { headers: { 'a2a-version': '1.0' } },
  );
  return body;
};
const messageId = () => crypto.randomUUID();
const ended = (url: string, runId: string) =>
  vi.waitFor(
    async () => {
      const { body } = await http(`${url}/runs/${runId}`);
      expect(body.status).toMatch(/completed|failed|canceled/);
      return body;
    },
    { timeout: 15_000 },
  );

describe('a question of an agent', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agent-questions-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is answered on the task of the run, though the agent dies while it waits', { timeout: 40_000 }, async () => {
    await using agent = new AgentProcess(new URL('fixtures/booking-agent.ts', import.meta.url), { MESH_DATA: folder });
    await agent.start();
    await using coordinator = await startCoordinator({ MESH_PEERS: agent.url }, [errand]);
    const { url } = coordinator;

    const asked = (
      await send(url, { messageId: messageId(), parts: [{ data: { skill: 'errand', input: { room: 'blue' } } }] })
    ).result.task;
    expect(asked.status.state).toBe('TASK_STATE_INPUT_REQUIRED');
    const [shown] = asked.status.message.parts.flatMap((part: { data?: unknown }) => part.data ?? []);
    expect(shown).toMatchObject({ prompt: 'Which day?', path: ['coordinator', 'booking'] });
    const taskId: string = asked.id;
    const first = await openQuestion(url, taskId, /Which day/);
    expect(first).toMatchObject({ id: shown.id, schema: { enum: ['monday', 'friday'] }, actions: ['answer'] });

    agent.kill();
    await vi.waitFor(() => expect(agent.kills).toBe(1));
    await agent.start();
    const wrong = await send(url, { taskId, messageId: messageId(), parts: [{ text: 'sunday' }] });
    expect(wrong.error).toMatchObject({ code: -32602, message: expect.stringContaining('friday') });
    const answer = { taskId, messageId: messageId(), parts: [{ text: 'friday' }] };
    expect((await send(url, answer)).result.task.id).toBe(taskId);

    const second = await openQuestion(url, taskId, /Book blue/);
    // Neither the earlier answer, sent again, nor an approval that names no question decides the next one.
    expect((await send(url, answer)).result.task.id).toBe(taskId);
    const bare = await send(url, { taskId, messageId: messageId(), parts: [{ text: 'approve' }] });
    expect(JSON.stringify(bare.error)).toContain('QUESTION_ID_REQUIRED');
    expect((await http(`${url}/questions/${second.id}`)).body.status).toBe('open');
    await http(`${url}/questions/${second.id}/answer`, { action: 'approve', by: 'ada' });

    expect(await ended(url, taskId)).toMatchObject({ status: 'completed', output: { booked: 'blue on friday' } });
    expect(await readFile(join(folder, 'bookings.log'), 'utf8')).toBe('blue friday\n');
    const { questions } = (await http(`${url}/questions?runId=${taskId}`)).body;
    expect(questions).toHaveLength(2);
    for (const question of questions) expect(question).toMatchObject({ deliveredAt: expect.any(String) });
  });
});

describe('a question of another coordinator', () => {
  it('comes through two tasks, and the answer back', { timeout: 30_000 }, async () => {
    await using inner = await startCoordinator();
    await using outer = await startCoordinator({ MESH_PEERS: inner.url }, [delegate]);
    const { runId } = (await http(`${outer.url}/workflows/delegate`, { post: 'a post' })).body;
    const first = await openQuestion(outer.url, runId, /good/);
    expect(first).toMatchObject({ path: ['coordinator', 'coordinator'], arguments: { text: 'a post' } });
    const refused = await http(`${outer.url}/questions/${first.id}/answer`, { action: 'edit', value: { text: 'a' } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'ANSWER_INVALID' } });
    await http(`${outer.url}/questions/${first.id}/answer`, { action: 'edit', value: { text: 'milder' } });
    const second = await openQuestion(outer.url, runId, /Tell the author/);
    await http(`${outer.url}/questions/${second.id}/answer`, { action: 'reject', reason: 'no need' });
    expect((await ended(outer.url, runId)).output).toMatchObject({ decisions: ['answered: edit', 'answered: reject'] });
    const [reviewed] = (await http(`${inner.url}/runs?workflow=review`)).body.runs;
    expect(reviewed).toMatchObject({ status: 'completed' });
    expect((await http(`${inner.url}/runs`)).body.runs).toHaveLength(1);
  });

  it('that was answered there is withdrawn here, and the next one is asked', { timeout: 30_000 }, async () => {
    await using inner = await startCoordinator();
    await using outer = await startCoordinator({ MESH_PEERS: inner.url }, [delegate]);
    const { runId } = (await http(`${outer.url}/workflows/delegate`, { post: 'a post' })).body;
    const first = await openQuestion(outer.url, runId, /good/);
    const [there] = (await http(`${inner.url}/questions?status=open`)).body.questions;
    await http(`${inner.url}/questions/${there.id}/answer`, { action: 'approve' });
    const second = await openQuestion(outer.url, runId, /Tell the author/);
    expect((await http(`${outer.url}/questions/${first.id}`)).body.status).toBe('withdrawn');
    expect((await http(`${outer.url}/runs/${runId}`)).body.status).toBe('waiting');
    await http(`${outer.url}/questions/${second.id}/answer`, { action: 'approve' });
    expect((await ended(outer.url, runId)).output).toMatchObject({
      decisions: ['answered: approve', 'answered: approve'],
    });
  });
});
