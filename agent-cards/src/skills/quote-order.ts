import { z } from 'zod';
import { Money, OrderId, OrderItems, OrderLine } from '../order.ts';

/** Prices an order. The quote holds until `validUntil`; asked again until then, it is the same. */
export const quoteOrder = {
  input: z.strictObject({
    orderId: OrderId,
    items: OrderItems,
    /** The caller's name for the purchase: an order id that was quoted for one purchase is refused to another. */
    reference: z.string().min(1).max(200).optional(),
  }),
  output: z.strictObject({
    orderId: OrderId,
    lines: z.array(OrderLine),
    total: Money,
    validUntil: z.iso.datetime(),
  }),
};
