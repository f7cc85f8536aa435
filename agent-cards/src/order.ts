import { z } from 'zod';

/** The id of an order, chosen by whoever asks for its quote: under it everything about the order happens once. */
export const OrderId = z
  .string()
  .min(1)
  .max(200)
  // It is the subject of CloudEvents, which have no control characters; and a store makes one of all half characters.
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\u0000-\u001f\u007f-\u009f]+$/u, 'must not contain control characters')
  .refine((id) => id.isWellFormed(), 'must not contain half characters');

/** What is ordered: each article once, so that its quantity is one number. */
export const OrderItems = z
  .array(z.strictObject({ sku: z.string().min(1).max(64), quantity: z.int().min(1).max(10_000) }))
  .min(1)
  .max(50)
  .refine((items) => new Set(items.map(({ sku }) => sku)).size === items.length, 'each sku may appear once');
export type OrderItems = z.infer<typeof OrderItems>;

/** An amount of money in minor units (cents), so that it is exact. */
export const Money = z.strictObject({ amount: z.int().min(0), currency: z.string().regex(/^[A-Z]{3}$/) });
export type Money = z.infer<typeof Money>;

/** One article of an order with its price. Amounts are in minor units of the order's currency. */
export const OrderLine = z.strictObject({
  sku: z.string(),
  name: z.string(),
  quantity: z.int(),
  unitAmount: z.int(),
  amount: z.int(),
});
export type OrderLine = z.infer<typeof OrderLine>;

/**
 * Where an order stands: reserved -> placed -> confirmed. A reservation that nobody used in time is expired and may be
 * made again; what is not confirmed yet may be canceled.
 */
export const OrderStatus = z.enum(['reserved', 'expired', 'placed', 'confirmed', 'canceled']);
export type OrderStatus = z.infer<typeof OrderStatus>;

/** An order as it is kept. Null is what it has not: a canceled order that was never reserved has only its id. */
export const Order = z.strictObject({
  orderId: OrderId,
  status: OrderStatus,
  lines: z.array(OrderLine),
  total: Money.nullable(),
  reservedUntil: z.iso.datetime().nullable(),
  supplierReference: z.string().nullable(),
  /** Why it was canceled. */
  reason: z.string().nullable(),
  /** Every change of the status, in order. */
  events: z.array(
    z.strictObject({
      at: z.iso.datetime(),
      from: OrderStatus.nullable(),
      to: OrderStatus,
      reason: z.string().nullable(),
    }),
  ),
});
