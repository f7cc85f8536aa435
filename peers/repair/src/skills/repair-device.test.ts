import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repairDevice } from '@daca-mesh/agent-cards';
import type { Answer } from '@daca-mesh/protocol';
import { AgentClient, taskError, taskQuestion, taskResult } from '@daca-mesh/protocol/client';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { type ModelEndpoint, type ModelReply, startModelEndpoint } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { type LightAgent, startLightAgent } from '../../testing/light-agent.ts';
import { parseConfig } from '../config.ts';
import { createServer } from '../server.ts';

type Task = Awaited<ReturnType<AgentClient['send']>>;

const input = { kind: 'light', deviceId: 'light-1', problem: 'it does not react' };
const inspect = { calls: [{ name: 'inspect_device', arguments: { deviceId: 'light-1' } }] };
const service = (action: string, deviceId = 'light-1') => ({
  calls: [{ name: 'run_service_action', arguments: { deviceId, action, reason: 'it is broken' } }],
});
const report = { answer: JSON.stringify({ report: 'Done what could be done.' }) };

let open: AsyncDisposable[] = [];
let server: AgentServer | undefined;
let env: Record<string, string> = {};

afterEach(async () => {
  await server?.close();
  server = undefined;
  for (const each of open.toReversed()) await each[Symbol.asyncDispose]();
  open = [];
});

/** A repair agent that knows these origins; its model is a local endpoint with this script, offline without one. */
async function startRepair(peers: string[], script: ModelReply[] = [], more: Record<string, string> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'repair-'));
  open.push({ [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true }) });
  env = { MESH_DATA: dataDir, MESH_PEERS: peers.join(','), MESH_DEVICE_TIMEOUT: '1500', ...more };
  const [first, ...rest] = script;
  let endpoint: ModelEndpoint | undefined;
  if (first) {
    endpoint = await startModelEndpoint(first, ...rest);
    open.push(endpoint);
    Object.assign(env, { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' });
  }
  return { client: await restart(), endpoint };
}

async function restart(): Promise<AgentClient> {
  await server?.close();
  server = await createServer(parseConfig(env), pino({ level: 'silent' }));
  const { MESH_TOKEN: token } = env;
  return AgentClient.connect(server.url, token === undefined ? {} : { token });
}

async function startLight(...given: Parameters<typeof startLightAgent>): Promise<LightAgent> {
  const light = await startLightAgent(...given);
  open.push(light);
  return light;
}

const send = (client: AgentClient, fields: object = {}) =>
  client.send({ skill: 'repair-device', input: { ...input, ...fields }, blocking: true });
const decide = (client: AgentClient, task: Task, answer: Omit<Answer, 'questionId'>) =>
  client.answer(task.id, { questionId: taskQuestion(task)?.id ?? '', ...answer }, { blocking: true });
const resultOf = (task: Task) => repairDevice.output.parse(taskResult(task));

describe('a repair', () => {
  it('asks before it touches the device, goes on after a restart, and reports what was done', async () => {
    const light = await startLight(['stuck']);
    let { client } = await startRepair(['http://127.0.0.1:9', light.url]);
    const task = await send(client);
    expect(taskQuestion(task)).toMatchObject({
      actions: ['approve', 'edit', 'reject'],
      assignee: 'technician',
      arguments: {
        tool: 'run_service_action',
        arguments: { deviceId: 'light-1', action: 'recalibrate', reason: 'stuck' },
      },
    });
    expect(light.serviced).toEqual([]);
    client = await restart();
    const result = resultOf(await decide(client, task, { action: 'approve' }));
    expect(result).toMatchObject({
      outcome: 'repaired',
      model: 'offline',
      actions: [
        { tool: 'inspect_device', result: { health: 'failed', action: 'recalibrate' } },
        { tool: 'run_service_action', approvedBy: 'local', result: { health: 'ok', resolved: ['stuck'] } },
      ],
    });
    expect(result.report).not.toBe('');
    expect(light.serviced).toEqual(['recalibrate']);
  });

  it('does nothing that was refused, and says so', async () => {
    const light = await startLight(['stuck']);
    const { client } = await startRepair([light.url]);
    const task = await decide(client, await send(client), { action: 'reject', reason: 'the room is in use' });
    expect(resultOf(task)).toMatchObject({
      outcome: 'declined',
      actions: [{ tool: 'inspect_device' }, { tool: 'run_service_action', rejected: 'the room is in use' }],
    });
    expect(resultOf(task).actions[1]).not.toHaveProperty('approvedBy');
    expect(light.serviced).toEqual([]);
  });

  it('does what the person made of it', async () => {
    const light = await startLight(['stuck']);
    const { client } = await startRepair([light.url]);
    const value = { deviceId: 'light-1', action: 'restart', reason: 'that is quicker' };
    const task = await decide(client, await send(client), { action: 'edit', value });
    expect(resultOf(task).actions[1]).toMatchObject({ arguments: value, approvedBy: 'local' });
    expect(light.serviced).toEqual(['restart']);
  });

  it('touches nothing where nothing is wrong', async () => {
    const light = await startLight([]);
    const { client } = await startRepair([light.url]);
    const result = resultOf(await send(client));
    expect(result).toMatchObject({ outcome: 'repaired', actions: [{ tool: 'inspect_device' }] });
    expect(light.serviced).toEqual([]);
  });

  it('is not done when the device says so, whatever the model claims', async () => {
    const light = await startLight(['drift'], { helps: false });
    const { client } = await startRepair([light.url]);
    const task = await decide(client, await send(client), { action: 'approve' });
    expect(resultOf(task).outcome).toBe('not-repaired');
    expect(light.serviced).toEqual(['update-firmware']);
  });
});

describe('a model', () => {
  it('that acts twice has each action approved, and each happens once', async () => {
    const light = await startLight(['stuck', 'offline']);
    const script = [inspect, service('recalibrate'), service('restart'), report];
    const { client } = await startRepair([light.url], script);
    let task = await decide(client, await send(client), { action: 'approve' });
    expect(taskQuestion(task)?.arguments).toMatchObject({ arguments: { action: 'restart' } });
    task = await decide(client, task, { action: 'approve' });
    expect(resultOf(task)).toMatchObject({
      outcome: 'repaired',
      report: 'Done what could be done.',
      model: 'test-model',
    });
    expect(resultOf(task).actions.map(({ tool }) => tool)).toEqual([
      'inspect_device',
      'run_service_action',
      'run_service_action',
    ]);
    expect(light.serviced).toEqual(['recalibrate', 'restart']);
    expect(light.effectKeys.size).toBe(2);
  });

  it.each([
    ['reaches for another device', service('restart', 'light-2'), 'this task is about light-1 only'],
    ['makes up an action', service('explode'), 'INVALID_ARGUMENT'],
  ])('that %s is told so, and nothing happens', async (_, call, told) => {
    const light = await startLight(['stuck']);
    const { client, endpoint } = await startRepair([light.url], [call, report]);
    let task = await send(client);
    if (taskQuestion(task)) task = await decide(client, task, { action: 'approve' });
    expect(JSON.stringify(endpoint?.requests.at(-1))).toContain(told);
    expect(resultOf(task).outcome).toBe('not-repaired');
    expect(light.serviced).toEqual([]);
  });
});

describe('the agent of the device', () => {
  it('is not found where no peer has its card, and the task says so', async () => {
    const light = await startLight(['stuck']);
    const { client, endpoint } = await startRepair([light.url], [inspect, report]);
    const task = await send(client, { kind: 'lock' });
    expect(JSON.stringify(endpoint?.requests.at(-1))).toContain('no agent services a lock');
    expect(resultOf(task).outcome).toBe('not-repaired');
  });

  it('is never followed to another origin by a card', async () => {
    const light = await startLight(['stuck']);
    const card = await (await fetch(`${light.url}/.well-known/agent-card.json`)).text();
    const liar = createHttpServer((_, response) => response.setHeader('content-type', 'application/json').end(card));
    await new Promise<void>((ready) => void liar.listen(0, '127.0.0.1', ready));
    open.push({ [Symbol.asyncDispose]: async () => void liar.close() });
    const address = liar.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { client, endpoint } = await startRepair([`http://127.0.0.1:${port}`], [inspect, report]);
    await send(client);
    expect(JSON.stringify(endpoint?.requests.at(-1))).toContain('PEER_NOT_FOUND');
  });

  it('is met with the token of the mesh', async () => {
    const light = await startLight(['stuck'], { token: 'secret-token' });
    const { client } = await startRepair([light.url], [], { MESH_TOKEN: 'secret-token' });
    expect(taskQuestion(await send(client))).toBeDefined();
  });

  it('that never tells the end of a service action leaves its outcome unknown', async () => {
    const light = await startLight(['stuck'], { hangs: true });
    const { client } = await startRepair([light.url]);
    const task = await decide(client, await send(client), { action: 'approve' });
    expect(taskError(task)).toMatchObject({ retryable: false, details: { code: 'OUTCOME_UNKNOWN' } });
    expect(light.serviced).toEqual(['recalibrate']);
  });

  it('that knows no such device fails neither task nor process', async () => {
    const light = await startLight(['stuck']);
    const { client } = await startRepair([light.url]);
    const task = await send(client, { deviceId: 'light-9' });
    expect(resultOf(task)).toMatchObject({ outcome: 'not-repaired', actions: [{ result: { error: {} } }] });
  });
});

it('refuses peers that are no origins, and times that are none', () => {
  expect(() => parseConfig({ MESH_PEERS: 'ftp://x, nonsense', MESH_DEVICE_TIMEOUT: '0' })).toThrow(
    /MESH_PEERS[\s\S]*MESH_DEVICE_TIMEOUT/,
  );
  expect(parseConfig({ MESH_PEERS: 'http://a:1/path http://b:2' }).peers).toEqual(['http://a:1', 'http://b:2']);
});
