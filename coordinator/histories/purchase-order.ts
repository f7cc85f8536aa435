import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';

const orderId = 'order-1';
const soon = '2026-12-01T00:00:00.000Z';

const quoted = (quantity: number) => () => {
  const unitAmount = 129_900;
  const amount = unitAmount * quantity;
  const lines = [{ sku: 'laptop', name: 'Laptop 14"', quantity, unitAmount, amount }];
  return completed({ orderId, lines, total: { amount, currency: 'EUR' }, validUntil: soon });
};

const purchase = (quantity: number, { agents, ...script }: Script = {}): Case => ({
  input: { orderId, items: [{ sku: 'laptop', quantity }], requester: 'ann', approvalLimit: 200_000 },
  script: {
    ...script,
    agents: {
      'quote-order': quoted(quantity),
      'reserve-order': () => completed({ orderId, status: 'reserved', reservedUntil: soon }),
      'place-order': () => ({ later: completed({ orderId, status: 'placed', supplierReference: 'PO-1' }) }),
      'confirm-order': () => completed({ orderId, status: 'confirmed', supplierReference: 'PO-1' }),
      'cancel-order': () =>
        completed({ orderId, status: 'canceled', previous: 'reserved', reason: 'as told', canceledAt: soon }),
      ...agents,
    },
  },
});

const approvals = ['ann', 'bob'].map((by) => ({ by, at: soon }));

/** The ways a purchase can go. */
export const purchaseOrderCases: Readonly<Record<string, Case>> = {
  small: purchase(1),
  approved: purchase(2, { onAsk: () => answered({ action: 'approve', reason: 'needed' }) }),
  'approved-later': {
    ...purchase(2),
    steer: (activities) => {
      const [question] = activities.openQuestions;
      if (!question) return false;
      activities.decide(question.questionId, answered({ action: 'approve' }));
      return true;
    },
  },
  'approved-by-two': purchase(8, {
    onAsk: () => ({ status: 'answered', answer: { action: 'approve' }, by: 'bob', approvals }),
  }),
  rejected: purchase(2, { onAsk: () => answered({ action: 'reject', reason: 'too dear' }) }),
  expired: purchase(8, { onAsk: () => ({ status: 'expired', approvals: approvals.slice(1) }) }),
  'out-of-stock': purchase(2, { agents: { 'reserve-order': () => failed('there is 1 of laptop', false) } }),
  compensated: purchase(2, {
    agents: { 'confirm-order': () => failed('order order-1 is canceled', false) },
    onAsk: () => answered({ action: 'approve' }),
  }),
  canceled: {
    ...purchase(2),
    steer: (activities, runId) => {
      if (activities.openQuestions.length === 0) return false;
      activities.raise(runId, 'cancel', { reason: 'not needed any more' });
      return true;
    },
  },
};
