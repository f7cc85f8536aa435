import { cancelOrder, type SkillMap } from '@daca-mesh/agent-cards';
import { first, run, type Unit } from '@daca-mesh/protocol/server';
import { conflict, moveOrder, readOrder, returnStock, toTime, writeEvent } from '../orders.ts';
import { query } from '../purchasing-tables.ts';

type Output = SkillMap['cancel-order']['output'];

/**
 * Cancels an order and gives back its stock. One that nobody knows is canceled all the same: its reservation may still be
 * on the way, and must not take stock when it comes. @throws MeshError `ORDER_CONFLICT` for a confirmed order.
 */
export function* cancel({ orderId, reason }: { orderId: string; reason: string }): Unit<Output> {
  const at = Date.now();
  const order = yield* readOrder(orderId);
  if (order?.status === 'confirmed') throw conflict(orderId, 'is confirmed and cannot be canceled');
  if (!order) {
    yield* run(
      query
        .insertInto('orders')
        .values({ order_id: orderId, lines: '[]', status: 'canceled', reason, updated_at: at })
        .compile(),
    );
    yield* writeEvent(orderId, { from: null, to: 'canceled', reason, at });
  } else if (order.status !== 'canceled') {
    if (order.status !== 'expired') yield* returnStock(order);
    yield* moveOrder(order, 'canceled', at, { reason });
  }
  return yield* readCancellation(orderId);
}

/** How the order was canceled, whoever asked for it: a repeated cancellation gives the same answer. */
function* readCancellation(orderId: string): Unit<Output> {
  const event = yield* first(
    query
      .selectFrom('order_events')
      .selectAll()
      .where('order_id', '=', orderId)
      .where('to_status', '=', 'canceled')
      .compile(),
  );
  return cancelOrder.output.parse({
    orderId,
    status: 'canceled',
    previous: event?.from_status,
    reason: event?.reason,
    canceledAt: toTime(event?.at ?? 0),
  });
}
