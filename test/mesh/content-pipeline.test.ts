import { randomUUID } from 'node:crypto';
import { AgentClient, taskResult } from '@daca-mesh/protocol/client';
import { type ModelEndpoint, startModelEndpoint } from '@daca-mesh/protocol/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ended, nextQuestion, post, type Question, questionOf, startRun, timeline } from './api.ts';
import { Mesh } from './mesh.ts';
import { readStore } from './read-store.ts';

/**
 * The pipeline with a model behind HTTP that fails in every way: what is tried again, what people are asked when that
 * does not help, what ends in the error log, and that nothing happens twice, whoever is killed.
 */

const text = 'Solar power keeps getting cheaper, and battery storage makes it useful after sunset.';
const draft = { title: 'Light', text: 'The model wrote this.' };
const good = { answer: JSON.stringify(draft) };
/** The client in the writer repeats a refused request twice by itself, which is one attempt of the call. */
const requestsPerAttempt = 3;
const modelTimeoutMs = 3_000;

let endpoint: ModelEndpoint;
let mesh: Mesh;
const base = () => mesh.coordinator;

beforeAll(async () => {
  endpoint = await startModelEndpoint(good);
  mesh = await Mesh.start({
    peers: ['keyword-extractor', 'writer', 'formatter', 'records'],
    env: {
      writer: {
        OPENAI_BASE_URL: endpoint.baseUrl,
        OPENAI_API_KEY: 'test-key',
        MESH_MODEL: 'test-model',
        MESH_MODEL_TIMEOUT: String(modelTimeoutMs),
      },
      // Dies once, when an error is in the log and nobody knows yet.
      records: { MESH_KILL_AT: 'before-complete' },
    },
  });
}, 60_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
  await endpoint[Symbol.asyncDispose]();
});

const startPipeline = async (): Promise<string> =>
  (await startRun(base, 'content-pipeline', { text }, randomUUID())).runId;

const reply = (question: Question, value: object): Promise<void> =>
  answer(base, question.id, { action: 'answer', value, by: 'ada' });

/** What the timeline says about every attempt to get a draft, in order: its number, and how it ended. */
const attemptsOf = async (runId: string): Promise<string[]> =>
  (await timeline(base, runId)).flatMap(({ type, agent, attempt, data }) => {
    if (agent !== 'writer' || (type !== 'call-completed' && type !== 'call-failed')) return [];
    // As the timeline documents it.
    const { failure } = data as { failure?: { code: string } };
    return [`${attempt} ${failure?.code ?? 'completed'}`];
  });

/** The pauses before another attempt, in milliseconds. */
const pausesOf = async (runId: string): Promise<number[]> =>
  (await timeline(base, runId)).flatMap(({ type, data }) =>
    // As the timeline documents it.
    type === 'retry-scheduled' ? [(data as { delayMs: number }).delayMs] : [],
  );

const count = async (runId: string, type: string, agent?: string): Promise<number> =>
  (await timeline(base, runId)).filter((entry) => entry.type === type && entry.agent === agent).length;

/** The error log, as it is stored. */
const errorLog = () => readStore(mesh, 'records', 'SELECT run_id, workflow, code, message FROM run_errors');

it('survives 5xx, a model that hangs, and 429, with ever longer pauses', { timeout: 120_000 }, async () => {
  const [e503, e429] = [{ status: 503 }, { status: 429 }];
  endpoint.play(e503, e503, e503, { silent: true }, e429, e429, e429, good);
  const runId = await startPipeline();
  expect(await ended(base, runId)).toMatchObject({
    status: 'completed',
    output: { title: draft.title, model: 'test-model', content: expect.stringContaining(draft.text) },
  });
  expect(await attemptsOf(runId)).toEqual([
    '1 UNAVAILABLE',
    '2 DEADLINE_EXCEEDED',
    '3 RESOURCE_EXHAUSTED',
    '4 completed',
  ]);
  const pauses = await pausesOf(runId);
  expect(pauses.map((ms) => 2 ** Math.round(Math.log2(ms / 1000)))).toEqual([1, 2, 4]);
  // As the model saw it.
  const at = endpoint.seen.map(({ atMs }) => atMs);
  expect(at).toHaveLength(8);
  const gaps = [2, 3, 6].map((last) => Number(at[last + 1]) - Number(at[last]));
  for (const [index, gapMs] of gaps.entries()) expect(gapMs).toBeGreaterThan(Number(pauses[index]));
  expect(gaps[1]).toBeGreaterThan(modelTimeoutMs);
});

it('uses an answer of the model once, whoever dies', { timeout: 120_000 }, async () => {
  // Dies when the second draft is in its store, after the keywords and the first one, and the run has not been told.
  await mesh.restart('coordinator', { MESH_KILL_AT: 'call-settled:3' });
  endpoint.play({ ...good, fault: 'cut' }, { silent: true }, good, {
    answer: JSON.stringify({ title: 'x', text: 'x' }),
  });
  const runId = await startPipeline();
  await expect.poll(() => endpoint.requests.length, { timeout: 30_000 }).toBe(2);
  await mesh.kill('writer');
  expect(await ended(base, runId)).toMatchObject({ status: 'completed', output: { title: draft.title } });
  expect(await attemptsOf(runId)).toEqual(['1 UNAVAILABLE', '2 completed']);
  expect(await count(runId, 'call-sent', 'writer')).toBe(2);
  expect(await count(runId, 'call-completed', 'formatter')).toBe(1);
  expect(endpoint.requests).toHaveLength(3);
  expect(mesh.kills('coordinator'), 'the restart, and the kill point').toBe(2);
});

describe('a model that stays away', () => {
  const questions: Question[] = [];
  const question = (index: number): Question => {
    const found = questions[index];
    if (!found) throw new Error('no question');
    return found;
  };

  it('is asked about, once a run, when the attempts are used up', { timeout: 120_000 }, async () => {
    await mesh.restart('coordinator', { MESH_KILL_AT: 'question-open' });
    endpoint.play({ status: 503 });
    const runs = await Promise.all(Array.from({ length: 4 }, startPipeline));
    for (const runId of runs) questions.push(await questionOf(base, runId));
    for (const runId of runs) {
      expect(await attemptsOf(runId)).toEqual([1, 2, 3, 4].map((attempt) => `${attempt} UNAVAILABLE`));
      expect(await count(runId, 'question-asked')).toBe(1);
    }
    expect(endpoint.requests).toHaveLength(runs.length * 4 * requestsPerAttempt);
    expect(mesh.kills('coordinator'), 'two kill points, and two restarts').toBe(4);
    for (const asked of questions) {
      expect(asked).toMatchObject({
        prompt: expect.stringContaining('write failed at attempt 4'),
        actions: ['answer'],
        arguments: { target: 'write', attempts: 4, error: expect.stringContaining('status 503') },
        schema: { properties: { choice: { enum: ['retry', 'value', 'skip', 'abort'] } } },
      });
    }
    for (const value of [{ choice: 'explode' }, { choice: 'value', value: { title: 1 } }, {}, 'skip']) {
      const refused = await post(`${base()}/questions/${question(0).id}/answer`, { action: 'answer', value });
      expect(refused).toMatchObject({ status: 400, body: { code: 'ANSWER_INVALID' } });
    }
  });

  it('is given up by an abort, which is in the error log once, whoever dies', { timeout: 120_000 }, async () => {
    // The questions stay open meanwhile.
    await mesh.restart('coordinator', { MESH_KILL_AT: 'compensating' });
    const before = mesh.kills('coordinator');
    const asked = question(0);
    await reply(asked, { choice: 'abort' });
    expect(await ended(base, asked.runId)).toMatchObject({
      status: 'failed',
      error: { code: 'PEER_FAILED', message: expect.stringContaining('status 503') },
    });
    expect(mesh.kills('coordinator') - before, 'kill point compensating was hit').toBe(1);
    expect(mesh.kills('records'), 'the kill point of records was hit').toBe(1);
    const logged = { workflow: 'content-pipeline', code: 'PEER_FAILED', message: expect.stringContaining('503') };
    expect(errorLog()).toEqual([{ run_id: asked.runId, ...logged }]);
    const records = await AgentClient.connect(mesh.url('records'));
    const task = await records.send({ skill: 'get-errors', input: { runId: asked.runId }, blocking: true });
    expect(taskResult(task)).toMatchObject({ errors: [{ runId: asked.runId, ...logged }] });
  });

  it('may be replaced by a draft of a person, which must fit', { timeout: 120_000 }, async () => {
    const asked = question(1);
    await reply(asked, { choice: 'value' });
    const again = await nextQuestion(base, asked);
    expect(again.prompt).toContain('That value does not fit');
    await reply(again, { choice: 'value', value: { title: 'By hand', text: 'A person wrote this.', model: 'ada' } });
    expect(await ended(base, asked.runId)).toMatchObject({
      status: 'completed',
      output: { title: 'By hand', model: 'ada', content: expect.stringContaining('A person wrote this.') },
    });
  });

  it('may be done without', { timeout: 120_000 }, async () => {
    await reply(question(2), { choice: 'skip' });
    expect(await ended(base, question(2).runId)).toMatchObject({
      status: 'completed',
      output: { title: null, model: null, content: expect.stringContaining(text) },
    });
  });

  it('may be tried again when it is back', { timeout: 120_000 }, async () => {
    endpoint.play(good);
    const { runId } = question(3);
    await reply(question(3), { choice: 'retry' });
    expect(await ended(base, runId)).toMatchObject({ status: 'completed', output: { title: draft.title } });
    expect((await attemptsOf(runId)).slice(-2)).toEqual(['4 UNAVAILABLE', '5 completed']);
    expect(endpoint.requests).toHaveLength(1);
    // Nothing but the abort is an error.
    expect(errorLog()).toMatchObject([{ run_id: question(0).runId }]);
  });
});
