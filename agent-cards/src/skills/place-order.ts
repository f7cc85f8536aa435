import { z } from 'zod';
import { OrderId, OrderStatus } from '../order.ts';

/** Places a reserved order with the supplier. */
export const placeOrder = {
  input: z.strictObject({ orderId: OrderId }),
  output: z.strictObject({
    orderId: OrderId,
    /** `confirmed` where the order had been placed before and went on. */
    status: OrderStatus.extract(['placed', 'confirmed']),
    supplierReference: z.string(),
  }),
};
