import { readStore, type Stores } from './read-store.ts';

/** Orders and stock, as the purchasing agent has them in its store. */

const select = (mesh: Stores, sql: string, value: string) => readStore(mesh, 'purchasing', sql, value);

/** Everything that happened to an order: the statuses it got, in order. */
export const orderSteps = (mesh: Stores, orderId: string): unknown[] =>
  select(mesh, 'SELECT to_status FROM order_events WHERE order_id = ? ORDER BY event_id', orderId).map(
    ({ to_status: status }) => status,
  );

export const supplierReferences = (mesh: Stores, orderId: string): unknown[] =>
  select(mesh, 'SELECT supplier_reference FROM orders WHERE order_id = ?', orderId).map(
    ({ supplier_reference: reference }) => reference,
  );

export const stockOf = (mesh: Stores, sku: string): unknown =>
  select(mesh, 'SELECT stock FROM catalog WHERE sku = ?', sku)[0]?.['stock'];
