import { mkdtemp, rm } from 'node:fs/promises';
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
});
