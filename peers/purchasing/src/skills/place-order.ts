import type { SkillMap } from '@daca-mesh/agent-cards';
import { MeshError, newId } from '@daca-mesh/protocol';
import { afterCommit, first, killPoint, type Unit } from '@daca-mesh/protocol/server';
import { conflict, linesOf, moveOrder, requireOrder, statusAt } from '../orders.ts';
import { type OrderRow, query } from '../purchasing-tables.ts';

type Output = SkillMap['place-order']['output'];

/**
 * Places a reserved order. One that was placed before keeps its supplier's reference.
 * @throws MeshError `NOT_FOUND`; `ORDER_CONFLICT` for an order whose reservation has expired, and for a canceled one;
 *   `ORDER_REFUSED` for what the supplier does not deliver any more.
 */
export function* place({ orderId }: { orderId: string }): Unit<Output> {
  const at = Date.now();
  const order = yield* requireOrder(orderId);
  const { status, supplier_reference } = order;
  if ((status === 'placed' || status === 'confirmed') && supplier_reference !== null) {
    return { orderId, status, supplierReference: supplier_reference };
  }
  const now = statusAt(order, at);
  if (now !== 'reserved') throw conflict(orderId, `is ${now} and cannot be placed`);
  yield* requireDeliverable(order);
  const supplierReference = `PO-${newId()}`;
  yield* moveOrder(order, 'placed', at, { supplier_reference: supplierReference });
  yield* afterCommit(() => killPoint('order-placed'));
  return { orderId, status: 'placed', supplierReference };
}

function* requireDeliverable(order: OrderRow): Unit<void> {
  const skus = linesOf(order).map(({ sku }) => sku);
  const refused = yield* first(
    query.selectFrom('catalog').select('sku').where('sku', 'in', skus).where('deliverable', '=', 0).compile(),
  );
  if (!refused) return;
  throw new MeshError('ORDER_REFUSED', `the supplier does not deliver ${refused.sku} any more`);
}
