import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { type AgentServer, createAgentServer, skill } from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import { http, openQuestion, startCoordinator } from './coordinator.ts';
import { engines, type EngineOfTest } from './engines.ts';
import { workerCard } from './worker-card.ts';

const patient = { timeout: 30_000, interval: 50 };
const mebibyte = 1024 * 1024;
const Text = z.strictObject({ text: z.string() });

/** A text goes through two agents, past a person, and through another agent. */
const relay = defineWorkflow({
  name: 'relay',
  version: 1,
  description: 'Hands a large text on.',
  input: Text.meta({ examples: [{ text: 'a text' }] }),
  output: Text,
  async *run(mesh, input) {
    const first = Text.parse(yield* mesh.call({ agent: 'worker', skill: 'append' }, input));
    const second = Text.parse(yield* mesh.call({ agent: 'worker', skill: 'append' }, first));
    const outcome = yield* mesh.ask({ prompt: 'Good?', actions: ['answer'], schema: Text, event: 'Verdict' });
    if (outcome.answer?.action !== 'answer' && outcome.answer?.action !== 'edit') return second;
    return Text.parse(
      yield* mesh.call({ agent: 'worker', skill: 'append' }, { text: second.text + outcome.answer.value.text }),
    );
  },
});

let folder: string;
let worker: AgentServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'large-values-'));
  worker = await createAgentServer({
    card: workerCard({ id: 'append', name: 'Append', description: 'Appends a character' }),
    skills: {
      append: skill({ input: Text, output: Text }, async ({ input }) => {
        const tooMuch = /^too much, after (\d+) ms$/.exec(input.text);
        if (!tooMuch) return { text: `${input.text}+` };
        await sleep(Number(tooMuch[1]));
        return { text: 'x'.repeat(17 * mebibyte) };
      }),
    },
    database: { path: join(folder, 'worker.db'), durability: 'normal' },
    logger: pino({ level: 'silent' }),
  });
});
afterEach(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

const text = 'x'.repeat(mebibyte);
const start = (environment: Record<string, string> = {}) =>
  startCoordinator({ MESH_DATA: folder, MESH_PEERS: worker.url, ...environment }, [relay]);

/** Runs the relay on two coordinators, one after the other. */
async function runRelay(environment: Record<string, string> = {}): Promise<{ runId: string; run: unknown }> {
  let runId: string;
  {
    await using coordinator = await start(environment);
    runId = (await http(`${coordinator.url}/workflows/relay`, { text })).body.runId;
    await openQuestion(coordinator.url, runId);
  }
  await using coordinator = await start(environment);
  const { url } = coordinator;
  const event = await http(`${url}/runs/${runId}/events/verdict`, { text: 'y'.repeat(mebibyte) });
  expect(event.status).toBe(202);
  const run = () => http(`${url}/runs/${runId}`).then(({ body }) => body);
  await expect.poll(async () => (await run()).status, patient).toBe('completed');
  return { runId, run: await run() };
}

// With its values in it, the history of this run would be more than twice what a message to an engine may have.
describe.each(engines)('on $name a run with texts of a megabyte', ({ start: startEngine }) => {
  let engine: EngineOfTest;
  beforeAll(async () => void (engine = await startEngine()), 90_000);
  afterAll(() => engine?.[Symbol.asyncDispose](), 60_000);

  it('goes on after a restart, and hands them on', { timeout: 60_000 }, async () => {
    const { run } = await runRelay(engine.environment);
    expect(run).toMatchObject({ output: { text: `${text}++${'y'.repeat(mebibyte)}+` } });
  });
});

describe('a value that is too large', () => {
  it('is refused where it comes in by HTTP, and what waits for it goes on waiting', { timeout: 60_000 }, async () => {
    await using coordinator = await start();
    const { url } = coordinator;
    const huge = { text: 'x'.repeat(17 * mebibyte) };
    expect(await http(`${url}/workflows/relay`, huge)).toMatchObject({ status: 413 });
    const { runId } = (await http(`${url}/workflows/relay`, { text: 'small' })).body;
    const { id } = await openQuestion(url, runId);
    expect(await http(`${url}/runs/${runId}/events/verdict`, huge)).toMatchObject({ status: 413 });
    const answer = { action: 'answer', value: huge };
    expect(await http(`${url}/questions/${id}/answer`, answer)).toMatchObject({ status: 413 });
    expect((await http(`${url}/questions/${id}/answer`, { action: 'answer', value: { text: '!' } })).status).toBe(200);
    const run = () => http(`${url}/runs/${runId}`).then(({ body }) => body);
    await expect.poll(run, patient).toMatchObject({ status: 'completed', output: { text: 'small++!+' } });
  });

  it.each([0, 1_000])('from an agent after %i ms fails its call', { timeout: 60_000 }, async (ms) => {
    await using coordinator = await start();
    const { url } = coordinator;
    const { runId } = (await http(`${url}/workflows/relay`, { text: `too much, after ${ms} ms` })).body;
    const run = () => http(`${url}/runs/${runId}`).then(({ body }) => body);
    const error = { code: 'PEER_FAILED', details: { failure: { code: 'PAYLOAD_TOO_LARGE' } } };
    await expect.poll(run, patient).toMatchObject({ status: 'failed', error });
  });
});

const rows = (file: string, sql: string) => {
  using database = new DatabaseSync(join(folder, file), { readOnly: true });
  return database.prepare(sql).all();
};

describe('a run with texts of a megabyte', () => {
  it('has a small history, and leaves nothing behind', { timeout: 60_000 }, async () => {
    const { runId } = await runRelay();
    const [history] = rows('engine.db', 'SELECT sum(length(event)) AS bytes, count(*) AS events FROM history');
    expect(history?.['events']).toBeGreaterThan(15);
    expect(history?.['bytes']).toBeLessThan(64 * 1024);
    const large = `SELECT DISTINCT bytes > ${mebibyte} AS large FROM payloads`;
    expect(rows('coordinator.db', large)).toEqual([{ large: 1 }]);

    const database = new DatabaseSync(join(folder, 'coordinator.db'));
    database.exec("UPDATE deadlines SET due_at = 0 WHERE kind = 'retention'");
    database.close();
    await using coordinator = await start();
    await expect.poll(async () => (await http(`${coordinator.url}/runs/${runId}`)).status, patient).toBe(404);
    expect(rows('coordinator.db', 'SELECT digest FROM payloads UNION SELECT digest FROM payload_uses')).toEqual([]);
  });
});
