import { z } from 'zod';
import { OrderId, OrderItems, OrderStatus } from '../order.ts';

const hourMs = 60 * 60 * 1000;

/** Takes what was quoted out of the stock, for a time. */
export const reserveOrder = {
  input: z.strictObject({
    orderId: OrderId,
    items: OrderItems,
    /** How long the reservation holds. */
    holdMs: z
      .int()
      .min(1000)
      .max(90 * 24 * hourMs)
      .default(48 * hourMs),
  }),
  output: z.strictObject({
    orderId: OrderId,
    /** Further than `reserved` where the order had been reserved before and went on. */
    status: OrderStatus.extract(['reserved', 'placed', 'confirmed']),
    reservedUntil: z.iso.datetime().optional(),
  }),
};
