import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { AgentCard } from '@a2a-js/sdk';
import { type AgentServer, createAgentServer, createLogger, skill } from '@daca-mesh/protocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { answer, ended, post, questionOf, startRun, timeline } from './api.ts';
import { Mesh } from './mesh.ts';

/** Runs whose steps are given as data, over peers of the mesh and an agent outside it that knows nothing of ours. */

const execute = promisify(execFile);
const cli = resolve(import.meta.dirname, '../../cli/src/main.ts');

let mesh: Mesh;
let folder: string;
let translator: AgentServer;
const translated: string[] = [];
const base = () => mesh.coordinator;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steps-'));
  translator = await startTranslator();
  mesh = await Mesh.start({ peers: ['keyword-extractor', 'formatter'] });
}, 60_000);
afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
  await translator.close();
  await rm(folder, { recursive: true, force: true });
});

/** A plain A2A agent: it asks for the language first, and does not recognize a repeated message. */
const startTranslator = (): Promise<AgentServer> =>
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

const text = 'Durable workflows survive crashes. Durable workflows wait for people.';
const best = { $from: 'keywords', pointer: '/keywords/0/term' };

describe('a chain', () => {
  it(
    'of a file is run over agents of the mesh and a foreign one that asks, through a crash',
    { timeout: 90_000 },
    async () => {
      const steps = [
        { id: 'keywords', skill: 'extract-keywords', input: { text } },
        { id: 'translated', agent: translator.url, input: { text: best } },
        { agent: 'formatter', input: { title: best, text: { $from: 'translated', pointer: '/text' }, as: 'html' } },
      ];
      const file = join(folder, 'steps.json');
      await writeFile(file, JSON.stringify({ steps }));
      const { stdout } = await execute(process.execPath, [cli, 'run', 'chain', '--input', `@${file}`, '--url', base()]);
      const runId = stdout.trim();
      const question = await questionOf(base, runId);
      expect(question.prompt).toBe('Into which language?');
      // The agent is known by the row of its call alone.
      await mesh.kill('coordinator');
      await mesh.up('coordinator');
      await answer(base, question.id, { action: 'answer', value: 'de' });
      const run = await ended(base, runId);
      expect(run).toMatchObject({ status: 'completed', output: { output: { mediaType: 'text/html' } } });
      expect(run.output?.['results']).toMatchObject([
        { id: 'keywords', status: 'completed' },
        { id: 'translated', status: 'completed', output: { text: 'Durable workflows (de)' } },
        { id: 'step-3', status: 'completed', output: { content: expect.stringContaining('Durable workflows (de)') } },
      ]);
      expect(translated).toEqual(['Durable workflows']);
    },
  );

  it.each([
    [
      'nobody has',
      [
        { skill: 'fly', input: {} },
        { agent: 'pilot', input: {} },
      ],
      ['steps.step-1: no agent that is known has the skill "fly"', 'steps.step-2: no agent named "pilot"'],
    ],
    ['of an agent that has not', [{ agent: 'formatter', skill: 'fly', input: {} }], ['steps.step-1']],
    ['its agent would refuse', [{ skill: 'format', input: { text: '', colour: 1 } }], ['steps.step-1.input', 'colour']],
    [
      'that undoes by nobody',
      [{ skill: 'format', input: { text: 'x' }, undo: { skill: 'unformat', input: 1 } }],
      ['undo'],
    ],
    ['in a network of its own', [{ agent: 'http://169.254.169.254/', input: {} }], ['MESH_ALLOW_AGENTS']],
    ['by a way that is none', [{ agent: 'file:///etc/passwd', input: {} }], ['an http or https URL']],
  ])('with a step %s sends nothing at all', { timeout: 60_000 }, async (_what, bad, words) => {
    const steps = [...bad, { id: 'fine', skill: 'extract-keywords', input: { text } }];
    const { runId } = await startRun(base, 'chain', { steps }, randomUUID());
    const run = await ended(base, runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'INVALID_ARGUMENT' } });
    for (const word of words) expect(run.error?.message).toContain(word);
    expect((await timeline(base, runId)).filter(({ type }) => type.startsWith('call'))).toEqual([]);
  });

  it('that cannot be right is refused before there is a run', async () => {
    const later = [
      { skill: 'format', input: { $from: 'b' } },
      { id: 'b', skill: 'format', input: { text: 'x' } },
    ];
    const refused = await post<{ code: string; errors: { path: string; message: string }[] }>(
      `${base()}/workflows/chain`,
      { steps: later },
    );
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } });
    expect(refused.body.errors).toMatchObject([{ path: 'steps[0].input', message: 'input: step "b" comes later' }]);
  });
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
});
