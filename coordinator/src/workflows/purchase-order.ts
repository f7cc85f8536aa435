import { Money, OrderId, OrderItems, type SkillMap } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import type { AskOutcome } from '../workflow-kit/ask.ts';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';

const hourMs = 60 * 60 * 1000;

/** In minor units of the order's currency. */
const Limit = z.int().min(0);

const Input = z
  .strictObject({
    /** Made up where it is missing. */
    orderId: OrderId.optional(),
    items: OrderItems,
    /** Who wants it. */
    requester: z.string().min(1).max(200),
    /** Orders above this amount need an approval; in minor units (cents). */
    approvalLimit: Limit.default(100_000),
    /** Orders above this one need the approval of two different people. */
    secondApprovalLimit: Limit.default(1_000_000),
    /** Who approves: a person or a role. After three quarters of the time a director is asked too. */
    approver: z.string().min(1).max(200).default('manager'),
    /** How long there is for the approval; then the order is canceled. */
    deadlineMs: z
      .int()
      .min(1000)
      .max(30 * 24 * hourMs)
      .default(24 * hourMs),
  })
  .meta({ examples: [{ items: [{ sku: 'laptop', quantity: 2 }], requester: 'ann@example.org' }] });
type Request = z.output<typeof Input>;

const Approval = z.strictObject({ by: z.string(), at: z.iso.datetime(), reason: z.string().optional() });

/** Who is named as the one who decided where no person did. */
const policy = 'policy';

/** Who is asked when the time is nearly up. */
const director = 'director';

/** How a purchase is decided; `canceled`: nobody decided in time. */
const Decision = z.strictObject({
  decision: z.enum(['approved', 'rejected', 'canceled']),
  decidedBy: z.string(),
  approvals: z.array(Approval),
  reason: z.string().optional(),
});
type Decision = z.infer<typeof Decision>;

/**
 * Quote -> reserve -> above a limit somebody approves -> place -> confirm. A saga: what was reserved or placed is canceled
 * when the order is not approved, and when anything after it fails.
 */
export const purchaseOrder = defineWorkflow({
  name: 'purchase-order',
  version: 1,
  title: 'Purchase order',
  description:
    'Reserves what is ordered, has an expensive order approved (by two people a very expensive one), places and confirms it; without an approval in time the order is canceled.',
  input: Input,
  output: Decision.omit({ decision: true }).extend({
    orderId: OrderId,
    status: z.enum(['confirmed', 'rejected', 'canceled']),
    total: Money,
    supplierReference: z.string().optional(),
  }),
  async *run(mesh, request) {
    const orderId = request.orderId ?? `order-${mesh.uuid()}`;
    // The first run that names an order id has it: another one must not undo what this one does.
    const { items } = request;
    const quoted = yield* mesh.call({ skill: 'quote-order' }, { orderId, items, reference: mesh.runId });
    const { total } = quoted;
    yield* reserve(mesh, orderId, request);
    const { decision, ...decided } = yield* decide(mesh, request, quoted);
    if (decision !== 'approved') {
      yield* cancel(mesh, orderId, decided.reason ?? decision);
      return { orderId, status: decision, total, ...decided };
    }
    // Placing again changes nothing, so that a lost answer is no question to a person.
    yield* mesh.call({ skill: 'place-order' }, { orderId }, { repeatable: true });
    const { status, supplierReference } = yield* mesh.call(
      { skill: 'confirm-order' },
      { orderId },
      { repeatable: true },
    );
    mesh.commit();
    yield* tell(mesh, 'PurchaseOrderConfirmed', orderId, { total, supplierReference });
    return { orderId, status, total, supplierReference, ...decided };
  },
});

async function* reserve(mesh: Mesh, orderId: string, { items, deadlineMs }: Request): Step<void> {
  const reason = 'the purchase was not completed';
  // Undone in reverse: the order is canceled first, then that is told.
  mesh.compensate('tell that the order is canceled', {
    activity: 'publish-event',
    input: eventOf(mesh, 'PurchaseOrderCanceled', orderId, { reason }),
  });
  yield* mesh.call(
    { skill: 'reserve-order' },
    // Longer than the approval may take, so that it does not expire under an order that was approved in time.
    { orderId, items, holdMs: deadlineMs + hourMs },
    { repeatable: true, undo: { target: { skill: 'cancel-order' }, input: () => ({ orderId, reason }) } },
  );
}

type Quote = SkillMap['quote-order']['output'];

async function* decide(mesh: Mesh, request: Request, { orderId, lines, total }: Quote): Step<Decision> {
  const { requester, approver, approvalLimit, secondApprovalLimit, deadlineMs } = request;
  const required = total.amount > secondApprovalLimit ? 2 : Number(total.amount > approvalLimit);
  if (required === 0) return { decision: 'approved', decidedBy: policy, approvals: [] };
  const facts = { requester, lines, total };
  yield* mesh.progress(`Order ${orderId} waits for the approval of ${required === 1 ? approver : 'two people'}`);
  yield* tell(mesh, 'PurchaseOrderApprovalRequested', orderId, { ...facts, approver, required, deadlineMs });
  const outcome = yield* mesh.ask({
    prompt: `May ${requester} order ${listOf(lines)} for ${textOf(total)} (order ${orderId})?`,
    arguments: { orderId, ...facts },
    assignee: approver,
    deadline: deadlineMs,
    reminders: [{ after: Math.ceil(deadlineMs / 2) }],
    escalation: [{ after: Math.ceil((deadlineMs * 3) / 4), assignee: director }],
    ...(required > 1 && { approvals: { required, of: [approver, director] } }),
    event: 'approval_received',
  });
  const decision = toDecision(outcome, mesh.now());
  yield* tell(mesh, 'PurchaseOrderDecided', orderId, decision);
  return decision;
}

function toDecision(outcome: AskOutcome<unknown>, now: Date): Decision {
  const { approvals } = outcome;
  if (outcome.status === 'expired') {
    return { decision: 'canceled', decidedBy: policy, approvals, reason: 'no decision in time' };
  }
  const { by, answer } = outcome;
  // An empty reason is none.
  const reason = answer.reason ? { reason: answer.reason } : {};
  if (answer.action !== 'approve') return { decision: 'rejected', decidedBy: by, approvals, ...reason };
  const all = approvals.length > 0 ? approvals : [{ by, at: now.toISOString(), ...reason }];
  return { decision: 'approved', decidedBy: by, approvals: all, ...reason };
}

/** Undoes the reservation of an order that shall not be placed. */
async function* cancel(mesh: Mesh, orderId: string, reason: string): Step<void> {
  yield* mesh.call({ skill: 'cancel-order' }, { orderId, reason }, { repeatable: true });
  mesh.commit();
  yield* tell(mesh, 'PurchaseOrderCanceled', orderId, { reason });
}

const eventOf = (mesh: Mesh, type: string, orderId: string, data: Record<string, unknown>) => ({
  type,
  subject: orderId,
  data: { orderId, runId: mesh.runId, ...data },
});

/** Publishes what became of the order. */
async function* tell(mesh: Mesh, type: string, orderId: string, data: Record<string, unknown>): Step<void> {
  yield* mesh.activity('publish-event', eventOf(mesh, type, orderId, data));
}

const listOf = (lines: Quote['lines']): string => lines.map(({ quantity, name }) => `${quantity} × ${name}`).join(', ');

const textOf = ({ amount, currency }: Money): string => `${(amount / 100).toFixed(2)} ${currency}`;
