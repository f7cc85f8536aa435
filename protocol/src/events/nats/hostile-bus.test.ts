import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MeshError } from '../../mesh-error.ts';
import { NatsServer, skipNats } from '../../testing/nats-server.ts';
import { createEvent } from '../cloud-event.ts';
import type { EventBus } from '../event-bus.ts';
import { createNatsBus } from './nats-bus.ts';
import { eventStream, parkedStream } from './nats-names.ts';

/** What others may do who use the same server: whatever they like. */

const logger = pino({ level: 'silent' });
const limits = { backoffMs: 50, maxBackoffMs: 200, ackWaitMs: 1_000, maxDeliveries: 3, maxPending: 2 };
const named = (id: string, fields: object = {}) => createEvent({ type: 'Told', source: '/test', id, ...fields });
const waits = (message: string) => ({
  code: 'UNAVAILABLE',
  retryable: true,
  message: expect.stringContaining(message),
});
const soon = { timeout: 20_000, interval: 50 };

describe.skipIf(skipNats(process.env))('a bus that others use as they like', () => {
  let folder: string;
  let server: NatsServer;
  let bus: EventBus;
  let other: NatsConnection;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-hostile-'));
    const config = join(folder, 'nats.conf');
    await writeFile(config, 'max_payload: 100KB');
    server = await NatsServer.start(join(folder, 'nats'), ['-c', config]);
    bus = createNatsBus({ natsUrl: server.url, logger, limits });
    other = await connect({ servers: server.url });
    await vi.waitFor(() => bus.publish(named('first')), soon);
  });
  afterEach(async () => {
    await bus.close();
    await other.close();
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('parks what leaves no room for the reason, and goes on', async () => {
    const seen: string[] = [];
    await bus.subscribe({ name: 'steady' }, async ({ id }) => {
      if (id === 'large') throw new MeshError('INVALID_ARGUMENT', 'never');
      seen.push(id);
    });
    const { max_payload = 0 } = other.info ?? {};
    // As many as may be under way at once.
    for (let n = 0; n < limits.maxPending; n += 1) other.publish('mesh.events.Odd', 'x'.repeat(max_payload));
    const { length } = JSON.stringify(named('large', { data: '' }));
    other.publish('mesh.events.Told', JSON.stringify(named('large', { data: 'x'.repeat(max_payload - length) })));
    await other.flush();
    await bus.publish(named('last'));
    await vi.waitFor(() => expect(seen).toEqual(['first', 'last']), soon);
    await vi.waitFor(async () => expect(await bus.listParked()).toHaveLength(3), soon);
    const reasons = (await bus.listParked()).map(({ reason }) => reason);
    expect(reasons.every((reason) => /number \d+ of MESH_EVENTS$/u.test(reason))).toBe(true);
    expect(reasons).toContainEqual(expect.stringMatching(/^never; too large/u));
  });

  it('shows what others put among the parked events, and brings it nowhere but to the events', async () => {
    const js = jetstream(other);
    const spied: string[] = [];
    other.subscribe('secret.>', { callback: (_, { subject }) => void spied.push(subject) });
    const misled = headers();
    misled.set('Mesh-Subject', 'secret.command');
    misled.set('Mesh-Deliveries', 'many');
    await js.publish('mesh.parked.eve', JSON.stringify(named('misled')), { headers: misled });
    await js.publish('mesh.parked.eve', JSON.stringify(named('bare')));
    await js.publish('mesh.parked.eve', 'no event');
    const parked = await bus.listParked();
    expect(parked).toMatchObject([
      { event: { id: 'misled' }, deliveries: 0, consumer: '', reason: '' },
      { event: { id: 'bare' }, deliveries: 0 },
      { sequence: 3 },
    ]);
    const seen: string[] = [];
    await bus.subscribe({ name: 'listener' }, async ({ id }) => void seen.push(id));
    for (const { sequence } of parked.slice(0, 2)) await bus.redrive(sequence);
    await vi.waitFor(() => expect(seen).toEqual(expect.arrayContaining(['misled', 'bare'])), soon);
    expect(spied).toEqual([]);
  });

  it('delivers again what was parked after somebody deleted the stream of the parked', async () => {
    const seen: string[] = [];
    let broken = true;
    await bus.subscribe({ name: 'listener' }, async ({ id }) => {
      if (broken && id !== 'first') throw new MeshError('INVALID_ARGUMENT', 'never');
      seen.push(id);
    });
    const { streams } = await jetstreamManager(other);
    for (const id of ['one', 'two']) {
      broken = true;
      await vi.waitFor(() => bus.publish(named(id)), soon);
      await vi.waitFor(async () => expect(await bus.listParked()).toMatchObject([{ event: { id } }]), soon);
      broken = false;
      await bus.redrive((await bus.listParked())[0]?.sequence ?? 0);
      await vi.waitFor(() => expect(seen).toContain(id), soon);
      await streams.delete(parkedStream);
      // Made anew by who needs it next.
      await vi.waitFor(async () => expect(await bus.listParked()).toEqual([]), soon);
    }
  });

  it.each([
    ['a ', 'a'],
    ['a', 'a '],
    ['é ', 'é'],
  ])('tells the events %j and %j apart', async (one, two) => {
    await bus.publish(named(one), named(two));
    const { streams } = await jetstreamManager(other);
    expect((await streams.info(eventStream)).state.messages).toBe(3);
  });

  it('lets events wait where another stream takes them, or its own takes them no more', async () => {
    const { streams } = await jetstreamManager(other);
    await streams.delete(eventStream);
    await streams.add({ name: 'OTHER', subjects: ['mesh.events.>'] });
    await expect(bus.publish(named('lost?'))).rejects.toMatchObject(waits('expected stream does not match'));
    await streams.update('OTHER', { subjects: ['elsewhere'] });
    await streams.add({ name: eventStream, subjects: ['nothing.of.ours'] });
    await expect(bus.publish(named('lost?'))).rejects.toMatchObject(waits('the subjects of the stream'));
    await streams.delete(eventStream);
    await bus.publish(named('lost?'));
  });

  it('logs in with a password of any characters, which no log shows', async () => {
    const config = join(folder, 'users.conf');
    await writeFile(config, 'authorization { users: [{ user: mesh, password: "p@ss/w%rd" }] }');
    await using strict = await NatsServer.start(join(folder, 'strict'), ['-c', config]);
    const lines: string[] = [];
    const loud = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const connectAs = (user: string) =>
      createNatsBus({ natsUrl: strict.url.replace('//', `//${user}@`), logger: loud, limits });
    const [right, wrong] = [connectAs('mesh:p%40ss%2Fw%25rd'), connectAs('mesh:p%40ss')];
    await vi.waitFor(() => right.publish(named('first')), soon);
    await vi.waitFor(() => expect(lines.join('')).toContain('Authorization Violation'), soon);
    await expect(wrong.publish(named('never'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(lines.join('')).not.toMatch(/p@ss|p%40ss/u);
    await Promise.all([right.close(), wrong.close()]);
  });
});
