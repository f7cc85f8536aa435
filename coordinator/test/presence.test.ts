import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard } from '@a2a-js/sdk';
import { createAgentServer, skill } from '@daca-mesh/protocol/server';
import { NatsServer, skipNats } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { http, startCoordinator } from './coordinator.ts';

const card = AgentCard.fromJSON({
  name: 'guest',
  description: 'An agent nobody configured',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'http://127.0.0.1/a2a/jsonrpc', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true },
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: [{ id: 'greet', name: 'greet', description: 'Greets', tags: [] }],
});
const greet = skill({ input: z.looseObject({}), output: z.looseObject({}) }, async () => ({}));

describe.skipIf(skipNats(process.env))('an agent that has NATS_URL', () => {
  let folder: string;
  let nats: NatsServer;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'presence-'));
    nats = await NatsServer.start(join(folder, 'nats'));
  });
  afterEach(async () => {
    await nats[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const startGuest = () =>
    createAgentServer({
      card,
      skills: { greet },
      logger: pino({ level: 'silent' }),
      database: { path: join(folder, 'guest.db'), durability: 'normal' },
      natsUrl: nats.url,
    });

  it('is a peer of the coordinator from its start to its end, without being configured', async () => {
    await using coordinator = await startCoordinator({ NATS_URL: nats.url });
    const peers = async () => (await http(`${coordinator.url}/peers`)).body.peers;
    expect(await peers()).toEqual([]);
    const guest = await startGuest();
    const shown = { name: 'guest', url: guest.url, status: 'up', skills: [expect.objectContaining({ id: 'greet' })] };
    await vi.waitFor(async () => expect(await peers()).toEqual([expect.objectContaining(shown)]), 20_000);
    await guest.close();
    await vi.waitFor(async () => expect(await peers()).toEqual([]), 20_000);
  });

  it('is seen through a flood of invented announcements, and does not go because another says so', async () => {
    await using coordinator = await startCoordinator({ NATS_URL: nats.url });
    const peers = async () => (await http(`${coordinator.url}/peers`)).body.peers;
    // The protocol by hand: somebody who may publish there, and is no agent.
    const flood = connect(nats.port, '127.0.0.1');
    flood.write('CONNECT {"verbose":false}\r\n');
    flood.resume();
    const publish = (text: string): void =>
      void flood.write(`PUB mesh.presence ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    const say = (announcement: object): void => publish(JSON.stringify(announcement));
    const invent = (n: number): void => say({ kind: 'here', name: `x${n}`, url: `http://127.0.0.1:${(n % 999) + 1}` });
    for (let n = 0; n < 20_000; n += 1) invent(n);
    publish('x'.repeat(500_000));
    let more = 0;
    const flooding = setInterval(() => invent((more += 1)), 25);
    const guest = await startGuest();
    try {
      const up = [expect.objectContaining({ name: 'guest', status: 'up' })];
      await vi.waitFor(async () => expect(await peers()).toEqual(up), 30_000);
      for (let n = 0; n < 1_000; n += 1) say({ kind: 'leaving', name: 'guest', url: guest.url });
      const { lastSeenAt } = (await peers())[0];
      await vi.waitFor(async () => expect((await peers())[0]?.lastSeenAt > lastSeenAt).toBe(true), 30_000);
      expect(await peers()).toEqual(up);
    } finally {
      clearInterval(flooding);
      flood.destroy();
      await guest.close();
    }
    await vi.waitFor(async () => expect(await peers()).toEqual([]), 30_000);
  }, 120_000);
});
