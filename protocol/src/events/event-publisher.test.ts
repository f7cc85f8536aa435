import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSqliteDatabase } from '../server/database/sqlite-database.ts';
import { sqliteQueryBuilder } from '../server/database/statement.ts';
import { all, type Database, run, type Unit } from '../server/database/unit.ts';
import { type CloudEvent, createEvent } from './cloud-event.ts';
import {
  eventSchema,
  maxOutboxBytes,
  maxOutboxEvents,
  maxRefusedEvents,
  outboxState,
  putEvent,
} from './event-outbox.ts';
import { startEventPublisher } from './event-publisher.ts';
import { readHttpEvents } from './http-binding.ts';
import { createHttpPublisher } from './http-publisher.ts';
import { forgetReceived, receiveOnce } from './received-events.ts';

const logger = pino({ level: 'silent' });
const db = sqliteQueryBuilder<{ event_outbox: { seq: number; refused: string | null } }>();
const numbered = (n: number, data: unknown = n): CloudEvent =>
  createEvent({ type: 'Counted', source: '/test', id: String(n), data });

/** A sink that answers as the test says and keeps what it took. */
class Sink implements AsyncDisposable {
  readonly taken: string[] = [];
  readonly requests: { authorization: string | undefined; events: number }[] = [];
  answer: (events: CloudEvent[]) => number = () => 204;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: unknown = JSON.parse(await text(request));
    const events = readHttpEvents({ headers: request.headers, body });
    this.requests.push({ authorization: request.headers.authorization, events: events.length });
    const status = this.answer(events);
    if (status < 300) this.taken.push(...events.map(({ id }) => id));
    response.writeHead(status, status === 302 ? { Location: 'http://127.0.0.1:1/' } : {}).end();
  }

  async listen(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    return `http://127.0.0.1:${address.port}/events`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('the stored outbox', () => {
  let folder: string;
  let database: Database;
  let sink: Sink;
  let url: string;
  let publisher: { close(): Promise<void> } | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-events-'));
    database = openSqliteDatabase({ path: join(folder, 'store.db'), durability: 'normal', schemas: [eventSchema] });
    sink = new Sink();
    url = await sink.listen();
  });
  afterEach(async () => {
    await publisher?.close();
    await database.close();
    await sink[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const start = (): void => {
    const bus = createHttpPublisher({ url, token: 'secret' });
    publisher = startEventPublisher({ database, bus, logger, backoffMs: 10, maxBackoffMs: 50 });
  };
  const put = (...events: CloudEvent[]) =>
    database.write(function* (): Unit<void> {
      for (const event of events) yield* putEvent(event);
    });
  /** Events that wait, without the time it takes to put each. */
  const fill = (count: number) => {
    const insert = sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO event_outbox (event, put_at, ends_at) SELECT '{"source":"/test"}', 0, i * 18 FROM n`;
    return database.write(() => run(insert.compile(db)));
  };
  const rows = () => database.read(() => all(db.selectFrom('event_outbox').select(['seq', 'refused']).compile()));

  it('publishes what a commit put there, in order, many in one request', async () => {
    await put(...Array.from({ length: 250 }, (_, n) => numbered(n)));
    start();
    await vi.waitFor(async () => expect(await rows()).toEqual([]), 20_000);
    await put(numbered(250));
    await vi.waitFor(() => expect(sink.taken).toEqual(Array.from({ length: 251 }, (_, n) => String(n))), 20_000);
    expect(sink.requests.map(({ events }) => events)).toEqual([100, 100, 50, 1]);
    expect(sink.requests[0]?.authorization).toBe('Bearer secret');
  });

  it('publishes nothing of a unit that was rolled back', async () => {
    start();
    await expect(
      database.write(function* (): Unit<void> {
        yield* putEvent(numbered(1));
        throw new Error('undone');
      }),
    ).rejects.toThrowError('undone');
    await put(numbered(2));
    await vi.waitFor(() => expect(sink.taken).toEqual(['2']), 20_000);
  });

  it.each([503, 401, 404, 429, 302])('keeps events while the sink answers %i', async (status) => {
    sink.answer = () => status;
    start();
    await put(numbered(1), numbered(2));
    await vi.waitFor(() => expect(sink.requests.length).toBeGreaterThan(1), 20_000);
    expect(await rows()).toHaveLength(2);
    sink.answer = () => 204;
    await vi.waitFor(() => expect(sink.taken).toEqual(['1', '2']), 20_000);
  });

  it('keeps events over a restart while nobody listens', async () => {
    await sink[Symbol.asyncDispose]();
    start();
    await put(numbered(1));
    await publisher?.close();
    await database.close();
    database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [eventSchema] });
    sink = new Sink();
    await sink.listen(Number(new URL(url).port));
    start();
    await vi.waitFor(() => expect(sink.taken).toEqual(['1']), 20_000);
  });

  it('sets aside what the sink will never take, and goes on with the others', async () => {
    sink.answer = (events) => (events.some(({ id }) => id === '2') ? 400 : 204);
    await put(numbered(1), numbered(2), numbered(3));
    start();
    await vi.waitFor(() => expect(sink.taken).toEqual(['1', '3']), 20_000);
    await vi.waitFor(async () => expect(await rows()).toMatchObject([{ refused: expect.stringContaining('refused') }]));
  });

  it('keeps the newest of those that the sink will never take', async () => {
    const insert = sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${maxRefusedEvents + 9})
      INSERT INTO event_outbox (event, put_at, refused) SELECT '{}', 0, 'earlier' FROM n`;
    await database.write(() => run(insert.compile(db)));
    sink.answer = () => 400;
    await put(numbered(1));
    start();
    await vi.waitFor(async () => expect(await rows()).toHaveLength(maxRefusedEvents), 20_000);
    expect((await rows()).at(-1)?.refused).toContain('refused an event');
  });

  it('takes for a refusal what the sink says about events only', async () => {
    sink.answer = () => 400;
    const bus = createHttpPublisher({ url, refusals: [413] });
    await expect(bus.publish(numbered(1))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    sink.answer = () => 413;
    await expect(bus.publish(numbered(1))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  });

  it('drops the oldest events where too many wait, so that the work goes on, and tells of it', async () => {
    await sink[Symbol.asyncDispose]();
    const lines: { level: number; dropped?: number }[] = [];
    const loud = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const backoff = { backoffMs: 10, maxBackoffMs: 50, warnEveryMs: 50 };
    publisher = startEventPublisher({ database, bus: createHttpPublisher({ url }), logger: loud, ...backoff });
    await fill(maxOutboxEvents - 1);
    await put(numbered(1));
    expect(await database.read(outboxState)).toMatchObject({ waiting: maxOutboxEvents, dropped: 0 });
    for (const n of [2, 3]) await put(numbered(n));
    // A hundredth, and the one too many.
    const dropped = maxOutboxEvents / 100 + 1;
    expect(await database.read(outboxState)).toMatchObject({
      waiting: maxOutboxEvents - dropped + 2,
      since: expect.stringMatching(/Z$/u),
      dropped,
      droppedAt: expect.stringMatching(/Z$/u),
    });
    const warnings = () => lines.filter((line) => line.dropped !== undefined);
    await vi.waitFor(() => expect(warnings()).toMatchObject([{ level: 40, dropped }]), 20_000);

    // What is told when the bus is back, and only once.
    await database.write(() => run(sql`DELETE FROM event_outbox WHERE seq < ${maxOutboxEvents}`.compile(db)));
    sink = new Sink();
    const events: CloudEvent[] = [];
    sink.answer = (taken) => {
      events.push(...taken);
      return 204;
    };
    await sink.listen(Number(new URL(url).port));
    await vi.waitFor(() => expect(sink.taken).toHaveLength(4), 20_000);
    expect(events.at(-1)).toMatchObject({ type: 'EventsDropped', source: '/test', data: { events: dropped } });
    await put(numbered(4));
    await vi.waitFor(() => expect(sink.taken.at(-1)).toBe('4'), 20_000);
    expect(sink.taken).toHaveLength(5);
    const state = { waiting: 0, dropped };
    await vi.waitFor(async () => expect(await database.read(outboxState)).toMatchObject(state), 20_000);
  });

  it('drops the oldest events where they take too much room, and leaves those that were refused', async () => {
    await put(numbered(0));
    await database.write(() => run(sql`UPDATE event_outbox SET refused = 'earlier'`.compile(db)));
    await put(numbered(1), numbered(2));
    // As if the first two were very large.
    await database.write(() =>
      run(sql`UPDATE event_outbox SET ends_at = ${2 * maxOutboxBytes} WHERE seq = 3`.compile(db)),
    );
    await put(numbered(3));
    expect((await rows()).map(({ seq }) => seq)).toEqual([1, 3, 4]);
    expect(await database.read(outboxState)).toMatchObject({ waiting: 2, dropped: 1 });
  });

  it('publishes what an earlier release put', async () => {
    await database.close();
    const path = join(folder, 'earlier.db');
    const earlier = { ...eventSchema, versions: eventSchema.versions.slice(0, 1) };
    database = openSqliteDatabase({ path, schemas: [earlier] });
    const row = sql`INSERT INTO event_outbox (event, put_at) VALUES (${JSON.stringify(numbered(1))}, 0)`;
    await database.write(() => run(row.compile(db)));
    await database.close();
    database = openSqliteDatabase({ path, schemas: [eventSchema] });
    await put(numbered(2));
    start();
    await vi.waitFor(() => expect(sink.taken).toEqual(['1', '2']), 20_000);
  });

  it('keeps the newest where there is no bus', async () => {
    await fill(2_000);
    await put(numbered(1));
    publisher = startEventPublisher({ database, logger });
    await vi.waitFor(async () => expect(await rows()).toHaveLength(1_000), 20_000);
    expect((await rows()).at(-1)?.seq).toBe(2_001);
    expect(sink.requests).toEqual([]);
  });

  it('sends large events a few at a time', async () => {
    await put(...Array.from({ length: 12 }, (_, n) => numbered(n, 'x'.repeat(200_000))));
    start();
    await vi.waitFor(() => expect(sink.taken).toHaveLength(12), 20_000);
    expect(sink.requests.map(({ events }) => events)).toEqual([5, 5, 2]);
  });
});

describe('receiveOnce', () => {
  it('is true once for each source and id, also when asked at the same time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-received-'));
    const database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [eventSchema] });
    const receive = (source: string, id: string) => database.write(() => receiveOnce({ source, id }));
    const outcomes = await Promise.all([...Array.from({ length: 20 }, () => receive('a', '1')), receive('b', '1')]);
    expect(outcomes.filter(Boolean)).toHaveLength(2);
    expect(await database.write(() => forgetReceived(Date.now() + 1))).toBe(2);
    expect(await receive('a', '1')).toBe(true);
    await database.close();
    await rm(folder, { recursive: true });
  });
});
