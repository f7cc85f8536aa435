import type { SkillMap } from '@daca-mesh/agent-cards';
import { all, type Unit } from '@daca-mesh/protocol/server';
import { linesOf, readOrder, statusAt, totalOf, toTime } from '../orders.ts';
import { query } from '../purchasing-tables.ts';

/** Reads an order with everything that happened to it; null where there is none. */
export function* readOrderWithEvents(orderId: string): Unit<SkillMap['get-order']['output']> {
  const order = yield* readOrder(orderId);
  if (!order) return { order: null };
  const events = yield* all(
    query.selectFrom('order_events').selectAll().where('order_id', '=', orderId).orderBy('event_id').compile(),
  );
  return {
    order: {
      orderId,
      status: statusAt(order, Date.now()),
      lines: linesOf(order),
      total: totalOf(order),
      reservedUntil: order.reserved_until === null ? null : toTime(order.reserved_until),
      supplierReference: order.supplier_reference,
      reason: order.reason,
      events: events.map(({ from_status: from, to_status: to, reason, at }) => ({ at: toTime(at), from, to, reason })),
    },
  };
}
