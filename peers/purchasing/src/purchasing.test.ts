import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quoteOrder, reserveOrder, type SkillMap } from '@daca-mesh/agent-cards';
import { all, type Database, openSqliteDatabase, taskSchema } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { purchasingSchema, query } from './purchasing-tables.ts';
import { cancel } from './skills/cancel-order.ts';
import { confirm } from './skills/confirm-order.ts';
import { readOrderWithEvents } from './skills/get-order.ts';
import { place } from './skills/place-order.ts';
import { quote } from './skills/quote-order.ts';
import { reserve } from './skills/reserve-order.ts';

let folder: string;
let database: Database;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purchasing-'));
  database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [taskSchema, purchasingSchema] });
});
afterEach(async () => {
  vi.useRealTimers();
  await database.close();
  await rm(folder, { recursive: true });
});

const hourMs = 60 * 60 * 1000;
const servers = (quantity: number) => [{ sku: 'server', quantity }];
const quoting = (orderId: string, items = servers(3)) => database.write(() => quote({ orderId, items }));
const reserving = (orderId: string, items = servers(3), holdMs = hourMs) =>
  database.write(() => reserve({ orderId, items, holdMs }));
const reserved = async (orderId: string, items = servers(3), holdMs = hourMs) => {
  await quoting(orderId, items);
  return reserving(orderId, items, holdMs);
};
const placing = (orderId: string) => database.write(() => place({ orderId }));
const confirming = (orderId: string) => database.write(() => confirm({ orderId }));
const canceling = (orderId: string, reason = 'too dear') => database.write(() => cancel({ orderId, reason }));
const read = async (orderId: string) => (await database.read(() => readOrderWithEvents(orderId))).order;
const statuses = async (orderId: string) => (await read(orderId))?.events.map(({ to }) => to);
const stockOf = async (sku: string): Promise<number | undefined> => {
  const rows = await database.read(() =>
    all(query.selectFrom('catalog').select('stock').where('sku', '=', sku).compile()),
  );
  return rows[0]?.stock;
};
/** Only the clock: what the database does with timers goes on. */
const passTime = (ms: number): void => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe('a quote', () => {
  it('has exact amounts in minor units and stays the same while it holds', async () => {
    const items = [
      { sku: 'laptop', quantity: 3 },
      { sku: 'dock', quantity: 1 },
    ];
    const first = await quoting('o', items);
    expect(first).toMatchObject({
      lines: [
        { sku: 'laptop', quantity: 3, unitAmount: 129_900, amount: 389_700 },
        { sku: 'dock', quantity: 1, unitAmount: 18_900, amount: 18_900 },
      ],
      total: { amount: 408_600, currency: 'EUR' },
    });
    passTime(hourMs);
    expect(await quoting('o', items.toReversed())).toEqual(first);
  });

  it('is renewed when it does not hold any more, and only then can be reserved', async () => {
    const first = await quoting('o');
    passTime(8 * 24 * hourMs);
    await expect(reserving('o')).rejects.toMatchObject({ code: 'ORDER_CONFLICT' });
    expect(Date.parse((await quoting('o')).validUntil)).toBeGreaterThan(Date.parse(first.validUntil));
    expect(await reserving('o')).toMatchObject({ status: 'reserved' });
  });

  it.each([
    ['an unknown article', [{ sku: 'unicorn', quantity: 1 }], 'NOT_FOUND', /unicorn/],
    [
      'two currencies',
      [
        { sku: 'laptop', quantity: 1 },
        { sku: 'support-year', quantity: 1 },
      ],
      'INVALID_ARGUMENT',
      /EUR and USD/,
    ],
  ])('is refused for %s, and the id stays free', async (_what, items, code, message) => {
    await expect(quoting('o', items)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await quoting('o')).toMatchObject({ total: { amount: 1_467_000 } });
  });

  it('is refused for other items under the same id', async () => {
    await quoting('o');
    await expect(quoting('o', servers(2))).rejects.toMatchObject({ code: 'ORDER_CONFLICT' });
    await expect(reserving('o', servers(2))).rejects.toMatchObject({ code: 'ORDER_CONFLICT' });
    expect(await read('o')).toBeNull();
  });
});

describe('an order id', () => {
  it('belongs to the purchase that came first, also when two come at the same moment', async () => {
    const quotes = ['a', 'b'].map((reference) =>
      database.write(() => quote({ orderId: 'o', items: servers(1), reference })),
    );
    expect(await Promise.allSettled(quotes)).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'ORDER_CONFLICT', message: 'order o was quoted for another purchase' } },
    ]);
    await expect(quoting('o', servers(1))).rejects.toMatchObject({ code: 'ORDER_CONFLICT' });
  });
});

describe('a reservation', () => {
  it('takes from the stock once, also when 20 ask at the same moment', async () => {
    await quoting('o');
    const answers = await Promise.all(Array.from({ length: 20 }, () => reserving('o')));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await stockOf('server')).toBe(1);
    expect(await statuses('o')).toEqual(['reserved']);
  });

  it('names the article that is short, takes nothing then, and never makes the stock negative', async () => {
    const mixed = [
      { sku: 'desk', quantity: 2 },
      { sku: 'server', quantity: 5 },
    ];
    await expect(reserved('o', mixed)).rejects.toMatchObject({
      code: 'OUT_OF_STOCK',
      retryable: false,
      message: 'there are 4 of server in stock, not 5',
    });
    expect(await stockOf('desk')).toBe(20);
    const orders = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => reserved(`o${n}`, servers(1))));
    expect(orders.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(await stockOf('server')).toBe(0);
  });

  it('needs a quote', async () => {
    await expect(reserving('o')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('gives its stock to whoever comes next once its time is up', async () => {
    await reserved('first');
    await expect(reserved('second')).rejects.toMatchObject({ code: 'OUT_OF_STOCK' });
    passTime(hourMs);
    expect(await read('first')).toMatchObject({ status: 'expired' });
    await expect(placing('first')).rejects.toMatchObject({ code: 'ORDER_CONFLICT', message: /expired/ });
    expect(await reserving('second')).toMatchObject({ status: 'reserved' });
    await expect(reserving('first')).rejects.toMatchObject({ code: 'OUT_OF_STOCK' });
    await canceling('second');
    expect(await reserving('first')).toMatchObject({ status: 'reserved' });
    expect(await statuses('first')).toEqual(['reserved', 'expired', 'reserved']);
    expect(await stockOf('server')).toBe(1);
  });
});

describe('an order', () => {
  it('goes from reserved to placed to confirmed, once, and tells the same when asked again', async () => {
    await reserved('o');
    const placed = await placing('o');
    expect(placed).toMatchObject({ status: 'placed', supplierReference: expect.stringMatching(/^PO-/) });
    expect(await placing('o')).toEqual(placed);
    const confirmed = await confirming('o');
    expect(confirmed).toEqual({ ...placed, status: 'confirmed' });
    expect(await confirming('o')).toEqual(confirmed);
    expect(await placing('o')).toEqual(confirmed);
    expect(await reserving('o')).toEqual({ orderId: 'o', status: 'confirmed' });
    expect(await statuses('o')).toEqual(['reserved', 'placed', 'confirmed']);
    expect(await stockOf('server')).toBe(1);
  });

  it('is not placed when the supplier refuses it, and can be canceled', async () => {
    await reserved('o', [{ sku: 'projector', quantity: 1 }]);
    await expect(placing('o')).rejects.toMatchObject({ code: 'ORDER_REFUSED', message: /projector/, retryable: false });
    expect(await read('o')).toMatchObject({ status: 'reserved', supplierReference: null });
    await canceling('o');
    expect(await stockOf('projector')).toBe(10);
  });

  it.each([
    ['placed', () => placing('none'), 'NOT_FOUND'],
    ['confirmed', () => confirming('none'), 'NOT_FOUND'],
    ['confirmed before it is placed', async () => reserved('o').then(() => confirming('o')), 'ORDER_CONFLICT'],
    ['placed when canceled', async () => canceling('o').then(() => placing('o')), 'ORDER_CONFLICT'],
    [
      'canceled when confirmed',
      async () => {
        await reserved('o');
        await placing('o');
        await confirming('o');
        return canceling('o');
      },
      'ORDER_CONFLICT',
    ],
  ])('is not %s out of turn', async (_what, act, code) => {
    await expect(act()).rejects.toMatchObject({ code, retryable: false });
  });
});

describe('a cancellation', () => {
  it.each([
    ['reserved', () => reserved('o')],
    [
      'placed',
      async () => {
        await reserved('o');
        await placing('o');
      },
    ],
  ])('gives back the stock of a %s order, once', async (previous, prepare) => {
    await prepare();
    const answer = await canceling('o', 'too dear');
    expect(answer).toMatchObject({ status: 'canceled', previous, reason: 'too dear' });
    passTime(hourMs);
    expect(await canceling('o', 'again')).toEqual(answer);
    expect(await stockOf('server')).toBe(4);
    expect(await read('o')).toMatchObject({ status: 'canceled', reason: 'too dear' });
  });

  it('gives back nothing of a reservation that has expired', async () => {
    await reserved('o');
    passTime(hourMs);
    await reserved('other', servers(4));
    expect(await canceling('o')).toMatchObject({ previous: 'expired' });
    expect(await stockOf('server')).toBe(0);
  });

  it('of an unknown order is fine, and refuses the reservation that comes after it', async () => {
    await quoting('o');
    const answer = await canceling('o');
    expect(answer).toMatchObject({ status: 'canceled', previous: null });
    expect(await canceling('o')).toEqual(answer);
    await expect(reserving('o')).rejects.toMatchObject({ code: 'ORDER_CONFLICT', message: 'order o is canceled' });
    expect(await stockOf('server')).toBe(4);
    expect(await read('o')).toMatchObject({ lines: [], total: null, status: 'canceled' });
  });
});

const someItems = (count: number) => Array.from({ length: count }, (_, n) => ({ sku: `s${n}`, quantity: 1 }));

describe('the input of an order', () => {
  const refused: [string, unknown][] = [
    ['no items', { orderId: 'o', items: [] }],
    ['too many items', { orderId: 'o', items: someItems(51) }],
    ['an article twice', { orderId: 'o', items: [...someItems(1), ...someItems(1)] }],
    ['half an article', { orderId: 'o', items: [{ sku: 's', quantity: 0.5 }] }],
    ['a negative quantity', { orderId: 'o', items: [{ sku: 's', quantity: -1 }] }],
    ['a quantity that is no number', { orderId: 'o', items: [{ sku: 's', quantity: '1' }] }],
    ['a price of its own', { orderId: 'o', items: [{ sku: 's', quantity: 1, unitAmount: 1 }] }],
    ['an id that is too long', { orderId: 'o'.repeat(201), items: someItems(1) }],
    ['an id of two lines', { orderId: 'o\no', items: someItems(1) }],
    ['an id with half a character', { orderId: '\ud800', items: someItems(1) }],
    ['no id', { items: someItems(1) }],
  ];

  it.each(refused)('is refused with %s', (_what, input) => {
    expect(quoteOrder.input.safeParse(input).success).toBe(false);
    expect(reserveOrder.input.safeParse(input).success).toBe(false);
  });

  it('holds a reservation for two days unless told otherwise', () => {
    const input: SkillMap['reserve-order']['input'] = { orderId: 'o', items: someItems(1) };
    expect(reserveOrder.input.parse(input)).toMatchObject({ holdMs: 48 * hourMs });
  });
});
