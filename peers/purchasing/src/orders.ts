import { type Money, Order, type OrderLine, type OrderStatus } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { all, first, run, type Unit } from '@daca-mesh/protocol/server';
import { type OrderRow, query } from './purchasing-tables.ts';

/**
 * The state machine of an order. The row is its only judge: every change is a compare-and-set on the status it was seen
 * in, in the commit that also moves the stock and writes the event. No timer takes part: that a reservation has expired
 * follows from its stored time, and whoever next needs the stock takes it back.
 */

/** An order, or undefined. */
export const readOrder = (orderId: string): Unit<OrderRow | undefined> =>
  first(query.selectFrom('orders').selectAll().where('order_id', '=', orderId).compile());

/** An order. @throws MeshError `NOT_FOUND`. */
export function* requireOrder(orderId: string): Unit<OrderRow> {
  const order = yield* readOrder(orderId);
  if (!order) throw new MeshError('NOT_FOUND', `there is no order ${orderId}`);
  return order;
}

/** Where an order stands now. */
export const statusAt = ({ status, reserved_until }: OrderRow, at: number): OrderStatus =>
  status === 'reserved' && reserved_until !== null && reserved_until <= at ? 'expired' : status;

/** Moves an order to its next status. @throws MeshError `ORDER_CONFLICT` when it is not where it was seen any more. */
export function* moveOrder(
  order: OrderRow,
  to: OrderStatus,
  at: number,
  change: Partial<Omit<OrderRow, 'order_id' | 'status'>> = {},
): Unit<void> {
  const moved = yield* run(
    query
      .updateTable('orders')
      .set({ ...change, status: to, updated_at: at })
      .where('order_id', '=', order.order_id)
      .where('status', '=', order.status)
      .compile(),
  );
  if (moved === 0) throw conflict(order.order_id, `is not ${order.status} any more`);
  yield* writeEvent(order.order_id, { from: order.status, to, reason: change.reason ?? null, at });
}

/** Writes down a change of the status. */
export function* writeEvent(
  orderId: string,
  { from, to, reason, at }: { from: OrderStatus | null; to: OrderStatus; reason: string | null; at: number },
): Unit<void> {
  yield* run(
    query
      .insertInto('order_events')
      .values({ order_id: orderId, from_status: from, to_status: to, reason, at })
      .compile(),
  );
}

/** Takes the articles of an order out of the stock. @throws MeshError `OUT_OF_STOCK`, naming the first that is short. */
export function* takeStock(lines: readonly OrderLine[]): Unit<void> {
  for (const { sku, quantity } of lines) {
    const taken = yield* run(
      query
        .updateTable('catalog')
        .set((eb) => ({ stock: eb('stock', '-', quantity) }))
        .where('sku', '=', sku)
        .where('stock', '>=', quantity)
        .compile(),
    );
    if (taken > 0) continue;
    const article = yield* first(query.selectFrom('catalog').select('stock').where('sku', '=', sku).compile());
    throw new MeshError('OUT_OF_STOCK', `there are ${article?.stock ?? 0} of ${sku} in stock, not ${quantity}`, {
      details: { sku },
    });
  }
}

/** Gives the articles of an order back to the stock. */
export function* returnStock(order: OrderRow): Unit<void> {
  for (const { sku, quantity } of linesOf(order)) {
    yield* run(
      query
        .updateTable('catalog')
        .set((eb) => ({ stock: eb('stock', '+', quantity) }))
        .where('sku', '=', sku)
        .compile(),
    );
  }
}

/** Lets every reservation whose time is up expire. There are never more than there are articles. */
export function* expireReservations(at: number): Unit<void> {
  const due = query.selectFrom('orders').selectAll().where('status', '=', 'reserved').where('reserved_until', '<=', at);
  for (const order of yield* all(due.compile())) {
    yield* moveOrder(order, 'expired', at);
    yield* returnStock(order);
  }
}

/** The priced articles of an order or a quote. */
export const linesOf = ({ lines }: { lines: string }): OrderLine[] => Order.shape.lines.parse(JSON.parse(lines));

/** What an order or a quote costs; null for an order without articles. */
export const totalOf = (row: { amount: number | null; currency: string | null }): Money | null =>
  row.amount === null || row.currency === null ? null : { amount: row.amount, currency: row.currency };

/** What is asked for does not go with what is known about the order. */
export const conflict = (orderId: string, why: string): MeshError =>
  new MeshError('ORDER_CONFLICT', `order ${orderId} ${why}`, { details: { orderId } });

export const toTime = (at: number): string => new Date(at).toISOString();
