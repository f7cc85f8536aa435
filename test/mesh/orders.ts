import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Orders and stock, read in the store of the purchasing agent: opened read-only, beside the running process. */

function select(mesh: { dataOf(name: string): string }, sql: string, ...values: string[]): Record<string, unknown>[] {
  using database = new DatabaseSync(join(mesh.dataOf('purchasing'), 'store.db'), { readOnly: true });
  return database.prepare(sql).all(...values);
}

type Mesh = Parameters<typeof select>[0];

/** Everything that happened to an order: the statuses it got, in order. */
export const orderSteps = (mesh: Mesh, orderId: string): unknown[] =>
  select(mesh, 'SELECT to_status FROM order_events WHERE order_id = ? ORDER BY event_id', orderId).map(
    ({ to_status: status }) => status,
  );

export const supplierReferences = (mesh: Mesh, orderId: string): unknown[] =>
  select(mesh, 'SELECT supplier_reference FROM orders WHERE order_id = ?', orderId).map(
    ({ supplier_reference: reference }) => reference,
  );

export const stockOf = (mesh: Mesh, sku: string): unknown =>
  select(mesh, 'SELECT stock FROM catalog WHERE sku = ?', sku)[0]?.['stock'];
