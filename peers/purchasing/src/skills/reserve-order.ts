import type { OrderItems, SkillMap } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { run, type Unit } from '@daca-mesh/protocol/server';
import {
  conflict,
  expireReservations,
  linesOf,
  moveOrder,
  readOrder,
  takeStock,
  toTime,
  writeEvent,
} from '../orders.ts';
import { type OrderRow, query, type QuoteRow } from '../purchasing-tables.ts';
import { readQuote, requireSameItems } from './quote-order.ts';

type Output = SkillMap['reserve-order']['output'];

/**
 * Takes what was quoted out of the stock. An order that is reserved already, or further, stays as it is.
 * @throws MeshError `OUT_OF_STOCK`; `NOT_FOUND` without a quote; `ORDER_CONFLICT` for other items than quoted, for a quote
 *   that does not hold any more, and for a canceled order.
 */
export function* reserve(input: { orderId: string; items: OrderItems; holdMs: number }): Unit<Output> {
  const { orderId } = input;
  const at = Date.now();
  yield* expireReservations(at);
  const quoted = yield* readQuote(orderId);
  if (quoted) requireSameItems(quoted, input.items);
  const order = yield* readOrder(orderId);
  if (order?.status === 'canceled') throw conflict(orderId, 'is canceled');
  if (order && order.status !== 'expired') return toOutput(orderId, order.status, order.reserved_until);
  if (!quoted) throw new MeshError('NOT_FOUND', `order ${orderId} has no quote: ask for one first`);
  if (quoted.valid_until <= at) throw conflict(orderId, `has a quote that held until ${toTime(quoted.valid_until)}`);
  yield* takeStock(linesOf(quoted));
  const reservedUntil = at + input.holdMs;
  yield* storeReservation(quoted, order, reservedUntil, at);
  return toOutput(orderId, 'reserved', reservedUntil);
}

function* storeReservation(
  { order_id, items_digest, lines, amount, currency }: QuoteRow,
  expired: OrderRow | undefined,
  reservedUntil: number,
  at: number,
): Unit<void> {
  const reserved = { items_digest, lines, amount, currency, reserved_until: reservedUntil };
  if (expired) {
    yield* moveOrder(expired, 'reserved', at, reserved);
    return;
  }
  yield* run(
    query
      .insertInto('orders')
      .values({ order_id, ...reserved, status: 'reserved', updated_at: at })
      .compile(),
  );
  yield* writeEvent(order_id, { from: null, to: 'reserved', reason: null, at });
}

const toOutput = (orderId: string, status: Output['status'], reservedUntil: number | null): Output => ({
  orderId,
  status,
  ...(status === 'reserved' && reservedUntil !== null && { reservedUntil: toTime(reservedUntil) }),
});
