import { z } from 'zod';
import { OrderId } from '../order.ts';

/** Confirms a placed order: from then on it is binding. */
export const confirmOrder = {
  input: z.strictObject({ orderId: OrderId }),
  output: z.strictObject({ orderId: OrderId, status: z.literal('confirmed'), supplierReference: z.string() }),
};
