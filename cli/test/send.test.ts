import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard, Task } from '@a2a-js/sdk';
import { extensionUris } from '@daca-mesh/protocol';
import { type AgentServer, createAgentServer, createLogger, skill } from '@daca-mesh/protocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runMesh } from './mesh-command.ts';

const schemas = {
  shout: { input: z.strictObject({ text: z.string().min(1) }), output: z.strictObject({ text: z.string() }) },
  deliver: { input: z.strictObject({ address: z.string() }), output: z.strictObject({ text: z.string() }) },
};

const card = AgentCard.fromJSON({
  name: 'courier',
  description: 'Shouts, and delivers after asking',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'http://127.0.0.1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {
    streaming: true,
    extensions: [{ uri: extensionUris.skill, params: {} }, { uri: extensionUris.question }],
  },
  defaultInputModes: ['application/json', 'text/plain'],
  defaultOutputModes: ['application/json', 'text/plain'],
  skills: Object.keys(schemas).map((id) => ({ id, name: id, description: `can ${id}`, tags: [] })),
});

let folder: string;
let agent: AgentServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-send-'));
  agent = await createAgentServer({
    card,
    logger: createLogger('courier', 'silent'),
    database: { path: join(folder, 'store.db'), durability: 'normal' },
    skills: {
      shout: skill(schemas.shout, async ({ input, task }) => {
        await task.update('taking a breath');
        return { text: input.text.toUpperCase() };
      }),
      deliver: skill(schemas.deliver, async ({ input, task, resumed }) => {
        if (!resumed) await task.ask({ prompt: `Deliver to ${input.address}?`, actions: ['approve', 'reject'] });
        return { text: `${resumed?.answer.action}: ${resumed?.answer.reason ?? 'no reason'}` };
      }),
    },
  });
});

afterAll(async () => {
  await agent.close();
  await rm(folder, { recursive: true, force: true });
});

const mesh = (...args: string[]) => runMesh(args, { cwd: folder });

describe('mesh send', () => {
  it('sends text and prints the result', async () => {
    const { exitCode, stdout } = await mesh('send', agent.url, 'hello');
    expect({ exitCode, result: JSON.parse(stdout) }).toEqual({ exitCode: 0, result: { text: 'HELLO' } });
  });

  it('shows what happens while it happens, and as JSON one event a line with the task as the last', async () => {
    const plain = await mesh('send', agent.url, 'hello', '--stream');
    expect(plain.stderr).toMatch(/working taking a breath\n.*artifact shout HELLO\n.*completed/s);
    const json = await mesh('send', agent.url, '--skill', 'shout', '--input', '{"text":"a"}', '--stream', '--json');
    const lines = json.stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.at(-1)).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
  });

  it('shows the question of a task, and answers it', async () => {
    const asked = await mesh('send', agent.url, '--skill', 'deliver', '--input', '{"address":"the moon"}');
    expect(asked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('? Deliver to the moon?') });
    const taskId = /--task (\S+)/.exec(asked.stdout)?.[1] ?? '';
    const answered = await mesh('send', agent.url, '--task', taskId, '--reject', 'too far', '--json');
    expect(answered.exitCode).toBe(0);
    expect(Task.fromJSON(JSON.parse(answered.stdout)).artifacts[0]?.name).toBe('deliver');
    expect(answered.stdout).toContain('reject: too far');
    expect(await mesh('send', agent.url, '--task', taskId, '--approve')).toMatchObject({ exitCode: 4 });
  });

  it('is refused with the path of what is wrong', async () => {
    const { exitCode, stderr } = await mesh('send', agent.url, '--skill', 'shout', '--input', '{"txt":"a"}');
    expect(exitCode).toBe(4);
    expect(stderr).toContain('text');
  });
});

describe('mesh card', () => {
  it('shows an agent by its URL, and its exact card as JSON', async () => {
    const { stdout } = await mesh('card', agent.url);
    expect(stdout).toMatch(/courier 1\.0\.0[\s\S]*JSONRPC +1\.0 +http[\s\S]*deliver +can deliver/);
    const json = await mesh('card', agent.url, '--json');
    expect(JSON.parse(json.stdout)).toEqual(await (await fetch(`${agent.url}/.well-known/agent-card.json`)).json());
  });
});
