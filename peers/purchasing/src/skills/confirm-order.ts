import type { SkillMap } from '@daca-mesh/agent-cards';
import type { Unit } from '@daca-mesh/protocol/server';
import { conflict, moveOrder, requireOrder, statusAt } from '../orders.ts';

type Output = SkillMap['confirm-order']['output'];

/** Confirms a placed order. @throws MeshError `NOT_FOUND`, `ORDER_CONFLICT` for an order that is not placed. */
export function* confirm({ orderId }: { orderId: string }): Unit<Output> {
  const at = Date.now();
  const order = yield* requireOrder(orderId);
  const { status, supplier_reference } = order;
  if ((status !== 'placed' && status !== 'confirmed') || supplier_reference === null) {
    throw conflict(orderId, `is ${statusAt(order, at)} and cannot be confirmed`);
  }
  if (status === 'placed') yield* moveOrder(order, 'confirmed', at);
  return { orderId, status: 'confirmed', supplierReference: supplier_reference };
}
