import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AckPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MeshError } from '../../mesh-error.ts';
import { openSqliteDatabase } from '../../server/database/sqlite-database.ts';
import { sqliteQueryBuilder } from '../../server/database/statement.ts';
import { all, type Database, run, type Unit } from '../../server/database/unit.ts';
import { NatsServer, skipNats } from '../../testing/nats-server.ts';
import { type CloudEvent, createEvent } from '../cloud-event.ts';
import type { EventBus, EventHandler } from '../event-bus.ts';
import { eventSchema, putEvent } from '../event-outbox.ts';
import { startEventPublisher } from '../event-publisher.ts';
import { receiveOnce } from '../received-events.ts';
import { createNatsBus } from './nats-bus.ts';
import { eventStream } from './nats-names.ts';

const logger = pino({ level: 'silent' });
const db = sqliteQueryBuilder<{ handled: { n: number; times: number } }>();
const handledSchema = {
  component: 'handled',
  versions: ['CREATE TABLE handled (n INTEGER PRIMARY KEY, times INTEGER NOT NULL) STRICT'],
};
const limits = { backoffMs: 50, maxBackoffMs: 500, ackWaitMs: 3_000, maxDeliveries: 3 };
const numbered = (n: number): CloudEvent =>
  createEvent({ type: 'Counted', source: '/test', id: String(n), subject: String(n % 50), data: n });

const whenConnected = (publish: () => Promise<void>) => vi.waitFor(publish, { timeout: 20_000, interval: 50 });
const open = (path: string): Database =>
  openSqliteDatabase({ path, durability: 'normal', schemas: [eventSchema, handledSchema] });

/** How many events go through the crashes: enough to be under way at each, and in CI ten times that. */
const count = process.env['CI'] ? 10_000 : 1_000;

describe.skipIf(skipNats(process.env))('the bus on NATS JetStream', () => {
  let folder: string;
  let server: NatsServer;
  let bus: EventBus;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-nats-'));
    server = await NatsServer.start(join(folder, 'nats'));
    bus = createNatsBus({ natsUrl: server.url, logger, limits });
  });
  afterEach(async () => {
    await bus.close();
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it(`loses none of ${count} events through three crashes of the server, and none is handled twice`, async () => {
    await using sender = open(join(folder, 'sender.db'));
    await using receiver = open(join(folder, 'receiver.db'));
    await sender.write(function* (): Unit<void> {
      for (let n = 0; n < count; n += 1) yield* putEvent(numbered(n));
    });
    let deliveries = 0;
    const handler: EventHandler = async (event) => {
      deliveries += 1;
      await receiver.write(function* (): Unit<void> {
        if (!(yield* receiveOnce(event))) return;
        const upsert = sql`INSERT INTO handled (n, times) VALUES (${event.data}, 1)
          ON CONFLICT (n) DO UPDATE SET times = times + 1`;
        yield* run(upsert.compile(db));
      });
    };
    let subscription = await bus.subscribe({ name: 'counter' }, handler);
    const publisher = startEventPublisher({ database: sender, bus, logger, backoffMs: 50, maxBackoffMs: 500 });
    const handled = () => receiver.read(() => all(db.selectFrom('handled').selectAll().orderBy('n').compile()));
    for (const part of [0.1, 0.4, 0.7]) {
      await vi.waitFor(async () => expect((await handled()).length).toBeGreaterThan(count * part), 30_000);
      await server.kill();
      // Whoever handles events may start again in the middle, too.
      await subscription[Symbol.asyncDispose]();
      await server.restart();
      subscription = await bus.subscribe({ name: 'counter' }, handler);
    }
    await vi.waitFor(async () => expect(await handled()).toHaveLength(count), { timeout: 60_000, interval: 200 });
    expect((await handled()).filter(({ times }) => times !== 1)).toEqual([]);
    expect(deliveries).toBeGreaterThanOrEqual(count);
    await publisher.close();
    await subscription[Symbol.asyncDispose]();
    expect(await bus.listParked()).toEqual([]);
  }, 120_000);

  it('stores a repeated event once, and tells consumers apart', async () => {
    await whenConnected(() => bus.publish(numbered(1)));
    await bus.publish(numbered(1), numbered(2));
    await bus.publish(createEvent({ type: 'Other', source: '/test', id: '3' }));
    const connection = await connect({ servers: server.url });
    const { state } = await (await jetstreamManager(connection)).streams.info(eventStream);
    await connection.close();
    expect(state.messages).toBe(3);
    const seen: Record<string, string[]> = { every: [], other: [] };
    await bus.subscribe({ name: 'every' }, async ({ id }) => void seen['every']?.push(id));
    await bus.subscribe({ name: 'other', types: ['Other'] }, async ({ id }) => void seen['other']?.push(id));
    await vi.waitFor(
      () => expect(seen).toEqual({ every: expect.arrayContaining(['1', '2', '3']), other: ['3'] }),
      20_000,
    );
    expect(seen['every']).toHaveLength(3);
  });

  it('delivers again after a failure, and keeps the order of a subject', async () => {
    await whenConnected(() => bus.publish(numbered(0)));
    await bus.publish(numbered(50), numbered(1));
    const seen: string[] = [];
    const handler = vi.fn<EventHandler>(async ({ id }) => {
      if (id === '1' && handler.mock.calls.filter(([event]) => event.id === '1').length < 3) throw new Error('not now');
      seen.push(id);
    });
    await bus.subscribe({ name: 'patient' }, handler);
    await vi.waitFor(() => expect(seen).toHaveLength(3), 20_000);
    expect(seen.filter((id) => id !== '1')).toEqual(['0', '50']);
  });

  it('parks what cannot be handled, shows it, and delivers it again when told to', async () => {
    let broken = true;
    const seen: string[] = [];
    await bus.subscribe({ name: 'fussy' }, async ({ id }) => {
      if (broken && id === '1') throw new MeshError('INVALID_ARGUMENT', 'never\r\nthis one');
      if (broken && id === '2') throw new Error('always fails');
      seen.push(id);
    });
    await whenConnected(() => bus.publish(numbered(1)));
    await bus.publish(numbered(2), numbered(3));
    const connection = await connect({ servers: server.url });
    connection.publish('mesh.events.Odd', 'no event');
    await connection.flush();
    await vi.waitFor(async () => expect(await bus.listParked()).toHaveLength(3), { timeout: 20_000, interval: 100 });
    const parked = await bus.listParked();
    const byId = Object.fromEntries(parked.map((each) => [each.event?.id ?? 'none', each]));
    expect(byId).toMatchObject({
      1: { consumer: 'fussy', reason: 'never this one', deliveries: 1 },
      2: { reason: 'always fails', deliveries: limits.maxDeliveries },
      none: { reason: expect.stringMatching(/JSON/u) },
    });
    expect(await bus.listParked({ after: parked[0]?.sequence ?? 0, limit: 1 })).toEqual([parked[1]]);
    expect(seen).toEqual(['3']);

    broken = false;
    for (const id of ['1', '2']) expect((await bus.redrive(byId[id]?.sequence ?? 0)).id).toBe(id);
    await vi.waitFor(() => expect(seen.toSorted()).toEqual(['1', '2', '3']), 20_000);
    await expect(bus.redrive(byId['1']?.sequence ?? 0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(bus.redrive(byId['none']?.sequence ?? 0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await bus.listParked()).toHaveLength(1);
    await connection.close();
  });

  it('goes on with a consumer that has other limits, and with a new one after its own was deleted', async () => {
    await whenConnected(() => bus.publish(numbered(1)));
    const connection = await connect({ servers: server.url });
    const { consumers } = await jetstreamManager(connection);
    const config = { durable_name: 'old', ack_policy: AckPolicy.Explicit, max_ack_pending: 7, max_deliver: -1 };
    await consumers.add(eventStream, config);
    const seen: string[] = [];
    await bus.subscribe({ name: 'old' }, async ({ id }) => void seen.push(id));
    await vi.waitFor(() => expect(seen).toEqual(['1']), 20_000);
    expect((await consumers.info(eventStream, 'old')).config.max_ack_pending).toBe(7);
    await consumers.delete(eventStream, 'old');
    await bus.publish(numbered(2));
    await vi.waitFor(() => expect(seen).toContain('2'), 20_000);
    await connection.close();
  });

  it('parks what cannot be handled, also when the stream counts anew because somebody deleted it', async () => {
    await whenConnected(() => bus.publish(numbered(1)));
    await bus.subscribe({ name: 'fussy' }, () => Promise.reject(new MeshError('INVALID_ARGUMENT', 'never')));
    await vi.waitFor(async () => expect(await bus.listParked()).toHaveLength(1), { timeout: 20_000, interval: 100 });
    const connection = await connect({ servers: server.url });
    await (await jetstreamManager(connection)).streams.delete(eventStream);
    await whenConnected(() => bus.publish(numbered(2)));
    await vi.waitFor(async () => expect(await bus.listParked()).toHaveLength(2), { timeout: 20_000, interval: 100 });
    await connection.close();
  });

  it('complains once about a consumer that it cannot use', async () => {
    await whenConnected(() => bus.publish(numbered(1)));
    const connection = await connect({ servers: server.url });
    const { consumers } = await jetstreamManager(connection);
    const config = { durable_name: 'pushed', deliver_subject: 'elsewhere', ack_policy: AckPolicy.Explicit };
    await consumers.add(eventStream, config);
    const lines: string[] = [];
    const loud = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
    const other = createNatsBus({ natsUrl: server.url, logger: loud, limits });
    await other.subscribe({ name: 'pushed' }, async () => undefined);
    const complaints = () => lines.filter((line) => line.includes('events cannot be fetched'));
    await vi.waitFor(() => expect(complaints().length).toBeGreaterThan(3), 20_000);
    expect(complaints().filter((line) => !line.includes('"level":20'))).toHaveLength(1);
    await other.close();
    await connection.close();
  });

  it('refuses for good what is too large for the server', async () => {
    await writeFile(join(folder, 'small.conf'), 'max_payload: 2000');
    await using small = await NatsServer.start(join(folder, 'small'), ['-c', join(folder, 'small.conf')]);
    const narrow = createNatsBus({ natsUrl: small.url, logger });
    await whenConnected(() => narrow.publish(numbered(1)));
    const large = createEvent({ type: 'Large', source: '/test', data: 'x'.repeat(2_000) });
    await expect(narrow.publish(large)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', retryable: false });
    await narrow.close();
  });

  it('says at once that the server is away, and is there when the server is', async () => {
    await server.kill();
    await expect(bus.publish(numbered(1))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    const early = createNatsBus({ natsUrl: server.url, logger, limits });
    const seen: string[] = [];
    await early.subscribe({ name: 'early' }, async ({ id }) => void seen.push(id));
    await server.restart();
    await whenConnected(() => bus.publish(numbered(1)));
    await vi.waitFor(() => expect(seen).toEqual(['1']), 20_000);
    await early.close();
    const never = createNatsBus({ natsUrl: 'nats://127.0.0.1:1', logger });
    await never.subscribe({ name: 'never' }, async () => undefined);
    await never.close();
  });
});
