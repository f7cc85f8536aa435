import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Database } from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCoordinatorDatabase } from '../store/open.ts';
import { createEventSource, type EventSource } from './event-source.ts';
import { lastSurplusEvent, listEvents, pruneEvents } from './stored-events.ts';
import { webhookHeaders } from './webhook-signature.ts';
import { createWebhooks, type Delivery, limitPending, listDeliveries, type Webhooks } from './webhooks.ts';

const logger = pino({ level: 'silent' });

/** A receiver that answers as the test says. */
class Hook implements AsyncDisposable {
  readonly seen: { id: string | undefined; type: string }[] = [];
  answer: () => { status: number; headers?: Record<string, string>; body?: string } | undefined = () => ({
    status: 200,
  });
  readonly #server: Server;
  url = '';

  constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        const id = request.headers['webhook-id'];
        this.seen.push({ id: Array.isArray(id) ? id[0] : id, type: String(JSON.parse(body).type) });
        const answer = this.answer();
        // Without an answer the receiver hangs.
        if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
      });
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the hook has no port');
    this.url = `http://127.0.0.1:${address.port}/hook`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('webhooks', () => {
  let folder: string;
  let database: Database;
  let hooks: [Hook, Hook];
  let source: EventSource;
  let webhooks: Webhooks;

  const open = async (urls: string[]): Promise<void> => {
    source = createEventSource({ name: 'coordinator', toBus: false, webhooks: urls });
    webhooks = createWebhooks({ database, urls, put: source.put, logger, pausesMs: [20, 20] });
    await webhooks.start();
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'webhooks-'));
    database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
    hooks = [new Hook(), new Hook()];
    for (const hook of hooks) await hook.listen();
    await open(hooks.map(({ url }) => url));
  });
  afterEach(async () => {
    for (const hook of hooks) await hook[Symbol.asyncDispose]();
    await webhooks.close();
    await database.close();
    await rm(folder, { recursive: true });
  });

  const emit = (type: string, id?: string) => database.write(() => source.emit({ type, ...(id && { id }) }));
  const deliveries = (status?: Delivery['status']) => database.read(() => listDeliveries({ status, limit: 50 }));
  const statuses = async () => (await deliveries()).map(({ status }) => status);

  it('get every event once, each as a delivery of its own', async () => {
    await Promise.all([emit('One', 'a'), emit('One', 'a'), emit('Two', 'b')]);
    await vi.waitFor(async () => expect(await statuses()).toEqual(Array<string>(4).fill('delivered')), 20_000);
    for (const hook of hooks) expect(hook.seen.map(({ type }) => type).toSorted()).toEqual(['One', 'Two']);
    expect(new Set(hooks.flatMap(({ seen }) => seen.map(({ id }) => id))).size).toBe(4);
  });

  it('are sent ids that no other mesh gives, nor the same one that begins anew', async () => {
    await emit('One');
    const before = await deliveries();
    await webhooks.close();
    await database.close();
    database = openCoordinatorDatabase({ path: join(folder, 'anew.db'), durability: 'normal' });
    await open(hooks.map(({ url }) => url));
    await emit('Two');
    const ids = [...before, ...(await deliveries())].map(({ deliveryId }) => deliveryId);
    expect(new Set(ids).size).toBe(4);
  });

  it.each([500, 301, 400])(
    'that answer %i are tried again under the same id, then dead, then sent again by hand',
    async (status) => {
      const [broken, fine] = hooks;
      broken.answer = () => ({ status, headers: { location: fine.url } });
      await emit('One');
      await vi.waitFor(async () => expect(await deliveries('dead')).toHaveLength(1), 20_000);
      const [dead] = await deliveries('dead');
      expect(dead).toMatchObject({ url: broken.url, tries: 3, error: expect.stringMatching(/answered/u) });
      expect(new Set(broken.seen.map(({ id }) => id))).toEqual(new Set([dead?.deliveryId]));
      expect(broken.seen).toHaveLength(3);
      // A redirect was not followed.
      expect(fine.seen).toHaveLength(1);
      broken.answer = () => ({ status: 204 });
      expect(await webhooks.redrive(dead?.deliveryId ?? '')).toMatchObject({ status: 'pending', tries: 0 });
      await vi.waitFor(async () => expect(await statuses()).toEqual(['delivered', 'delivered']), 20_000);
      await expect(webhooks.redrive(dead?.deliveryId ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    },
  );

  it('that say they are gone are not asked again', async () => {
    hooks[0].answer = () => ({ status: 410 });
    await emit('One');
    await vi.waitFor(async () => expect(await deliveries('dead')).toMatchObject([{ tries: 1 }]), 20_000);
  });

  it('may answer as much as they like', async () => {
    hooks[0].answer = () => ({ status: 200, body: 'x'.repeat(1_000_000) });
    hooks[1].answer = () => ({ status: 410, body: 'x'.repeat(1_000_000) });
    await emit('One');
    await vi.waitFor(async () => expect((await statuses()).toSorted()).toEqual(['dead', 'delivered']), 20_000);
    expect(hooks.map(({ seen }) => seen.length)).toEqual([1, 1]);
  });

  it('are shown without their credentials', async () => {
    await webhooks.close();
    const [{ url }] = hooks;
    await open([`${url.replace('//', '//user:password@')}?token=secret`]);
    await emit('One');
    await vi.waitFor(async () => expect(await deliveries('delivered')).toMatchObject([{ url }]), 20_000);
  });

  it.each([
    ['in seconds', () => '3600'],
    ['by a date', () => new Date(Date.now() + 3_600_000).toUTCString()],
  ])('get the time they ask for %s', async (_how, retryAfter) => {
    hooks[0].answer = () => ({ status: 429, headers: { 'retry-after': retryAfter() } });
    hooks[1].answer = () => ({ status: 503, headers: { 'retry-after': 'later' } });
    await emit('One');
    await vi.waitFor(async () => expect(await deliveries('dead')).toMatchObject([{ url: hooks[1].url }]), 20_000);
    const [waiting] = await deliveries('pending');
    expect(waiting).toMatchObject({ url: hooks[0].url, tries: 1 });
    expect(Date.parse(waiting?.nextAt ?? '')).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it('that hang do not delay the others', async () => {
    hooks[0].answer = () => undefined;
    for (let n = 0; n < 20; n += 1) await emit('One');
    await vi.waitFor(() => expect(hooks[1].seen).toHaveLength(20), 20_000);
    expect(await deliveries('pending')).toHaveLength(20);
    expect(hooks[0].seen.length).toBeLessThanOrEqual(8);
    // Nor the end; what was under way does not count.
    await webhooks.close();
    expect((await deliveries('pending')).every(({ tries }) => tries === 0)).toBe(true);
  });

  it('get after a restart what they have not got', async () => {
    const [away] = hooks;
    away.answer = () => ({ status: 503 });
    await webhooks.close();
    await emit('One');
    await database.close();
    database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
    away.answer = () => ({ status: 200 });
    await open([away.url]);
    await vi.waitFor(async () => expect((await statuses()).toSorted()).toEqual(['dead', 'delivered']), 20_000);
    const [dead] = await deliveries('dead');
    expect(dead?.error).toContain('no longer configured');
    // Nobody would send it.
    await expect(webhooks.redrive(dead?.deliveryId ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('keep an event in the log until they have it', async () => {
    await webhooks.close();
    await emit('One');
    await emit('Two');
    const log = () => database.read(() => listEvents({ limit: 10 }));
    await database.write(() => pruneEvents(Date.now() + 1, 0));
    expect(await log()).toHaveLength(2);
    await open(hooks.map(({ url }) => url));
    await vi.waitFor(async () => expect(await statuses()).toEqual(Array<string>(4).fill('delivered')), 20_000);
    await database.write(() => pruneEvents(Date.now() + 1, 0));
    expect(await log()).toEqual([]);
    expect(await deliveries()).toEqual([]);
  });

  it('do not have more events wait for them than may: the oldest are dead', async () => {
    await webhooks.close();
    for (const type of ['One', 'Two', 'Three']) await emit(type);
    const [away, other] = hooks.map(({ url }) => url);
    const limit = (keep: number) => database.write(() => limitPending([away ?? ''], keep));
    expect(await limit(3)).toBe(0);
    expect(await limit(1)).toBe(2);
    const shown = (await deliveries()).toSorted((a, b) => a.eventSeq - b.eventSeq);
    expect(shown.filter(({ url }) => url === away)).toMatchObject([
      { status: 'dead', error: 'more than 1 events wait for this webhook' },
      { status: 'dead' },
      { status: 'pending' },
    ]);
    expect(shown.filter(({ url, status }) => url === other && status === 'pending')).toHaveLength(3);
  });
});

it('the log keeps the newest events, so many and of so many bytes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'event-log-'));
  const database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
  const source = createEventSource({ name: 'coordinator', toBus: false, webhooks: [] });
  for (const data of ['x'.repeat(10_000), 1, 2, 3]) await database.write(() => source.emit({ type: 'Told', data }));
  const surplus = (events: number, bytes: number) => database.read(() => lastSurplusEvent({ events, bytes }));
  expect(await surplus(4, 20_000)).toBe(0);
  expect(await surplus(4, 10_000)).toBe(1);
  expect(await surplus(2, 20_000)).toBe(2);
  await database.write(() => pruneEvents(0, 2));
  expect((await database.read(() => listEvents({ limit: 10 }))).map(({ seq }) => seq)).toEqual([4, 3]);
  await database.close();
  await rm(folder, { recursive: true });
});

it('signs as Standard Webhooks shows', () => {
  const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampSeconds: 1_614_265_330, body: '{"test": 2432232314}' };
  expect(webhookHeaders(message, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toEqual({
    'webhook-id': message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
  expect(webhookHeaders(message, undefined)).not.toHaveProperty('webhook-signature');
});
