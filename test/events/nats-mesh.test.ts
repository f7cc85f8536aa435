import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNatsBus, createEvent, type EventBus } from '@daca-mesh/protocol/events';
import { createLogger } from '@daca-mesh/protocol/server';
import { NatsServer, skipNats } from '@daca-mesh/protocol/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setFault } from '../mesh/device-faults.ts';
import { eventually, Mesh } from '../mesh/mesh.ts';
import { runsOf, storedEvents, writeRules } from './events-api.ts';

/** A mesh whose events go over a NATS server, all of which die in the middle of it. */
describe.skipIf(skipNats(process.env))('a mesh on NATS', () => {
  let folder: string;
  let nats: NatsServer;
  let bus: EventBus;
  let mesh: Mesh;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nats-mesh-'));
    nats = await NatsServer.start(join(folder, 'nats'));
    bus = await connectNatsBus({ natsUrl: nats.url, logger: createLogger('test', 'silent') });
    mesh = await Mesh.start({
      peers: ['device-light'],
      env: { all: { NATS_URL: nats.url }, coordinator: { MESH_RULES: await writeRules(folder) } },
    });
  }, 60_000);
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await bus?.close();
    await nats?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it('starts one run for each event, whoever is killed', async () => {
    const events = Array.from({ length: 60 }, (_, n) =>
      createEvent({ type: 'TextReceived', source: '/test', subject: randomUUID(), data: { text: `text ${n}` } }),
    );
    const publish = (from: number, to: number) =>
      eventually(() => bus.publish(...events.slice(from, to)).then(() => true), Boolean, { what: 'publishing' });
    await publish(0, 20);
    await mesh.kill('coordinator');
    await publish(20, 40);
    await nats.restart();
    await mesh.up('coordinator');
    await publish(30, 60);
    const ids = new Set(events.map(({ id }) => id));
    await eventually(
      async () => (await storedEvents(mesh)).filter(({ event }) => ids.has(event.id)),
      (stored) => stored.length === events.length && stored.every(({ outcome }) => outcome?.status === 'started'),
      { what: 'every event', withinMs: 60_000 },
    );
    const texts = (await runsOf(mesh)).map(({ input }) => JSON.stringify(input)).toSorted();
    expect(texts).toHaveLength(events.length);
    expect(new Set(texts).size).toBe(events.length);
  }, 120_000);

  it('hears of a device that broke while the server was away', async () => {
    await nats.kill();
    await setFault(mesh, 'light', 'light-1', 'stuck');
    await nats.restart();
    const stored = await eventually(
      async () => (await storedEvents(mesh)).filter(({ event }) => event.type === 'DeviceUnhealthy'),
      (found) => found.length > 0,
      { what: 'the event of the device', withinMs: 60_000 },
    );
    expect(stored).toMatchObject([{ event: { subject: 'light-1', source: 'urn:daca-mesh:agent:device-light' } }]);
  }, 90_000);
});
