import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome } from './demo.ts';

const Output = z.looseObject({ status: z.enum(['confirmed', 'rejected', 'canceled']) });
const OrderReply = z.looseObject({
  order: z.looseObject({ status: z.string(), events: z.array(z.looseObject({ to: z.string() })) }).nullable(),
});

/** @param limit From which amount on somebody must approve, in cents. The order costs 999.00. */
const inputAbove = (limit: number) => () => ({
  orderId: `demo-${newId()}`,
  items: [{ sku: 'support-year', quantity: 1 }],
  requester: 'mesh-demo',
  approvalLimit: limit,
});

const expensive = inputAbove(50_000);
const projector = [{ sku: 'projector', quantity: 1 }];

/** A purchase: reserved, approved by a person, placed and confirmed; or canceled, and then nothing stays reserved. */
export const purchaseOrder = {
  workflow: 'purchase-order',
  variants: {
    approved: {
      title: 'an expensive order is reserved, approved by a person, placed and confirmed',
      createInput: expensive,
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, 'confirmed'),
    },
    rejected: {
      title: 'a person rejects an expensive order, and its reservation is canceled',
      createInput: expensive,
      answer: () => ({ action: 'reject', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, 'rejected'),
    },
    deadline: {
      title: 'nobody approves in time: a reminder, a director is asked, then the order is canceled',
      createInput: () => ({ ...expensive(), deadlineMs: 2_000 }),
      answer: () => undefined,
      findProblems: (outcome) => findProblems(outcome, 'canceled'),
    },
    small: {
      title: 'an order below the limit needs nobody',
      createInput: inputAbove(100_000),
      findProblems: (outcome) => findProblems({ ...outcome, auto: true }, 'confirmed'),
    },
    refused: {
      title: 'the supplier refuses an approved order, the run fails, and what was reserved is free again',
      createInput: () => ({ ...expensive(), items: projector }),
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      findProblems: findUndoProblems,
    },
    'agent-down': {
      title: 'purchasing is killed on the way, and the order is placed once when it is back',
      createInput: expensive,
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      meanwhile: async ({ control }) => void (await control().kill('purchasing', { down: false })),
      findProblems: (outcome) => findProblems(outcome, 'confirmed'),
    },
  },
} satisfies Demo;

async function findProblems(outcome: DemoOutcome, wanted: z.infer<typeof Output>['status']): Promise<string[]> {
  const { run, auto } = outcome;
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without an order`];
  const { status } = output.data;
  return [
    ...(auto && status !== wanted ? [`it should be ${wanted}, but is ${status}`] : []),
    ...(await findOrderProblems(outcome, status === 'confirmed' ? 'reserved, placed, confirmed' : canceled)),
  ];
}

const canceled = 'reserved, canceled';

async function findUndoProblems(outcome: DemoOutcome): Promise<string[]> {
  const { run, auto } = outcome;
  const wrong = auto && run.status !== 'failed' ? [`it should have failed, but is ${run.status}`] : [];
  return [...wrong, ...(await findOrderProblems(outcome, canceled))];
}

/** @param steps What must have happened to the order, in this order and nothing else. */
async function findOrderProblems({ input, agentWith }: DemoOutcome, steps: string): Promise<string[]> {
  const purchasing = await agentWith('get-order');
  const { order } = await askAgent(purchasing, 'get-order', { orderId: input['orderId'] }, OrderReply);
  const found = order?.events.map(({ to }) => to).join(', ') ?? 'nothing';
  return found === steps ? [] : [`purchasing knows of ${found}, not of ${steps}`];
}
