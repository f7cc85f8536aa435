import { z } from 'zod';
import { Order, OrderId } from '../order.ts';

/** Reads an order with everything that happened to it; null where there is none. */
export const getOrder = {
  input: z.strictObject({ orderId: OrderId }),
  output: z.strictObject({ order: Order.nullable() }),
};
