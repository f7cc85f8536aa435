import { z } from 'zod';
import { OrderId, OrderStatus } from '../order.ts';

/**
 * Cancels an order and gives its stock back. An order that is unknown, or canceled already, is fine: an order that comes
 * after its own cancellation, because a message was slow, is refused.
 */
export const cancelOrder = {
  input: z.strictObject({ orderId: OrderId, reason: z.string().min(1).max(10_000) }),
  output: z.strictObject({
    orderId: OrderId,
    status: z.literal('canceled'),
    /** What it was before it was canceled; null where there was no such order. */
    previous: OrderStatus.extract(['reserved', 'expired', 'placed']).nullable(),
    /** Why and when it was canceled: another time than now where that happened before. */
    reason: z.string(),
    canceledAt: z.iso.datetime(),
  }),
};
