import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { AgentCard } from '@a2a-js/sdk';
import { type AgentServer, createAgentServer, createLogger, skill } from '@daca-mesh/protocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { answer, ended, questionOf, startRun } from './api.ts';
import { expectOnce, mostAtOnce, setLights } from './device-effects.ts';
import { setFault } from './device-faults.ts';
import { eventually, type RunningMesh } from './mesh.ts';
import { taskStates } from './read-store.ts';

const execute = promisify(execFile);
const cli = resolve(import.meta.dirname, '../../cli/src/main.ts');

/** The peers that the mesh of these tests has to have. */
export const composedPeers = ['keyword-extractor', 'formatter', 'device-light'];

/**
 * The environment of those peers: they work for longer than a kill takes, so that it finds them at it; and the agent of
 * the lights dies once by itself, when a light has been switched and nobody knows yet.
 */
export const composedEnvironment = (killMs: number): Record<string, string> => ({
  MESH_SKILL_DELAY: `extract-keywords=${killMs}`,
  MESH_KILL_AT: 'command-applied:4',
  DEVICE_COUNT: '10',
  DEVICE_COMMAND_MS: String(killMs / 5),
});

/** Runs whose steps are given as data, over peers of the mesh and an agent outside it that knows nothing of ours. */
export function describeDeclarativeRuns(running: () => RunningMesh): void {
  let mesh: RunningMesh;
  let folder: string;
  let translator: AgentServer;
  const translated: string[] = [];
  const base = () => mesh.coordinator;

  beforeAll(async () => {
    mesh = running();
    folder = await mkdtemp(join(tmpdir(), 'steps-'));
    translator = await startTranslator(folder, translated);
  });
  afterAll(async () => {
    await translator?.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe('a chain', () => {
    it(
      'of a file is run over agents of the mesh and a foreign one that asks, whoever is killed',
      { timeout: 120_000 },
      async () => {
        const steps = [
          { id: 'keywords', skill: 'extract-keywords', input: { text } },
          { id: 'translated', agent: translator.url, input: { text: best } },
          { agent: 'formatter', input: { title: best, text: { $from: 'translated', pointer: '/text' }, as: 'html' } },
        ];
        const file = join(folder, 'steps.json');
        await writeFile(file, JSON.stringify({ steps }));
        const run = ['run', 'chain', '--input', `@${file}`, '--url', base()];
        const { stdout } = await execute(process.execPath, [cli, ...run]);
        const runId = stdout.trim();
        const atWork = await eventually(
          async () => taskStates(mesh, 'keyword-extractor'),
          (states) => states.at(-1) === 'TASK_STATE_WORKING',
          { what: 'the first agent at work' },
        );
        await mesh.kill('keyword-extractor', { hold: true });
        expect(taskStates(mesh, 'keyword-extractor'), 'it died at work').toEqual(atWork);
        await mesh.up('keyword-extractor');
        const question = await questionOf(base, runId);
        expect(question.prompt).toBe('Into which language?');
        // The foreign agent is known by the row of its call alone.
        await mesh.kill('coordinator');
        await mesh.up('coordinator');
        await answer(base, question.id, { action: 'answer', value: 'de' });
        const end = await ended(base, runId);
        expect(end).toMatchObject({ status: 'completed', output: { output: { mediaType: 'text/html' } } });
        expect(end.output?.['results']).toMatchObject([
          { id: 'keywords', status: 'completed' },
          { id: 'translated', status: 'completed', output: { text: 'Durable workflows (de)' } },
          { id: 'step-3', status: 'completed', output: { content: expect.stringContaining('Durable workflows (de)') } },
        ]);
        expect(translated).toEqual(['Durable workflows']);
        const tasks = ['keyword-extractor', 'formatter'].map((agent) => taskStates(mesh, agent));
        expect(tasks).toEqual([['TASK_STATE_COMPLETED'], ['TASK_STATE_COMPLETED']]);
      },
    );
  });

  describe('a fan-out', () => {
    it('collects what became of each step, and brings it together', { timeout: 60_000 }, async () => {
      const inGerman = { onQuestion: { answer: { action: 'answer', value: 'de' } } };
      const steps = [
        {
          id: 'all',
          agent: 'formatter',
          input: { text: { $from: 'keywords', pointer: '/keywords/0/term' }, as: 'text' },
        },
        { id: 'keywords', skill: 'extract-keywords', input: { text } },
        { id: 'good', agent: translator.url, input: { text: 'good' }, ...inGerman },
        { id: 'bad', agent: translator.url, input: { text: 'gibberish' }, ...inGerman, retry: { attempts: 1 } },
        { id: 'lost', skill: 'format', input: { text: { $from: 'bad', pointer: '/text' } } },
      ];
      const { runId } = await startRun(base, 'fan-out', { steps, limit: 2, onFailure: 'skip' }, randomUUID());
      const run = await ended(base, runId);
      expect(run.output?.['results']).toMatchObject([
        { id: 'all', status: 'completed', output: { content: 'Durable workflows\n' } },
        { id: 'keywords', status: 'completed' },
        { id: 'good', status: 'completed', output: { text: 'good (de)' } },
        { id: 'bad', status: 'failed', error: { code: 'PEER_FAILED' } },
        { id: 'lost', status: 'skipped', error: { message: 'step "bad" has no result' } },
      ]);
    });

    it(
      'has devices obey once each, two at a time, whoever is killed, and tells which one refused',
      { timeout: 120_000 },
      async () => {
        await setFault(mesh, 'light', 'light-3', 'stuck');
        const steps = Array.from({ length: 10 }, (_, index) => {
          const deviceId = `light-${index + 1}`;
          return { id: deviceId, skill: 'set-light', input: { deviceId, on: true } };
        });
        const { runId } = await startRun(base, 'fan-out', { steps, limit: 2, onFailure: 'skip' }, randomUUID());
        await eventually(
          async () => setLights(mesh),
          (applied) => applied.length >= 5,
          { what: 'five lights' },
        );
        expect(existsSync(join(mesh.dataOf('device-light'), 'killed-at-command-applied'))).toBe(true);
        await mesh.kill('coordinator');
        expect(setLights(mesh).length, 'lights when the coordinator was killed').toBeLessThan(9);
        const run = await ended(base, runId);
        expect(run.output?.['results']).toMatchObject(
          steps.map(({ id }) =>
            id === 'light-3' ? { id, status: 'failed', error: { code: 'PEER_FAILED' } } : { id, status: 'completed' },
          ),
        );
        expectOnce(setLights(mesh), 9, 2);
        expect(mostAtOnce(setLights(mesh))).toBe(2);
        await setFault(mesh, 'light', 'light-3', null);
      },
    );
  });
}

const text = 'Durable workflows survive crashes. Durable workflows wait for people.';
const best = { $from: 'keywords', pointer: '/keywords/0/term' };

/** A plain A2A agent: it asks for the language first, and does not recognize a repeated message. */
const startTranslator = (folder: string, translated: string[]): Promise<AgentServer> =>
  createAgentServer({
    card: AgentCard.fromJSON({
      name: 'translator',
      description: 'Translates, slowly.',
      version: '1.0.0',
      supportedInterfaces: [{ url: 'http://placeholder', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      capabilities: {},
      defaultInputModes: ['application/json'],
      defaultOutputModes: ['application/json'],
      skills: [{ id: 'translate', name: 'Translate', description: 'Translates', tags: ['text'] }],
    }),
    skills: {
      translate: skill(
        { input: z.strictObject({ text: z.string() }), output: z.strictObject({ text: z.string() }) },
        async ({ input, task, resumed }) => {
          if (!resumed) await task.ask({ prompt: 'Into which language?', schema: { type: 'string' } });
          if (input.text === 'gibberish') throw new Error('no language');
          translated.push(input.text);
          return { text: `${input.text} (${String(resumed?.answer.value)})` };
        },
      ),
    },
    database: { path: join(folder, 'translator.db'), durability: 'normal' },
    logger: createLogger('translator', 'silent'),
    port: 0,
    idempotency: false,
  });
