import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { SkillInput } from '../workflow-kit/call-options.ts';
import { silence, testWorkflow } from '../workflow-kit/testing/index.ts';
import type { AgentFor } from '../workflow-kit/testing/scripted-agent.ts';
import { purchaseOrder } from './purchase-order.ts';

const soon = '2026-12-01T00:00:00.000Z';
const unitAmount = 129_900;

const quoteOf = ({ orderId, items }: SkillInput<'quote-order'>) => {
  const lines = items.map((item) => ({ ...item, name: 'Laptop', unitAmount, amount: unitAmount * item.quantity }));
  const amount = lines.reduce((sum, line) => sum + line.amount, 0);
  return { orderId, lines, total: { amount, currency: 'EUR' }, validUntil: soon };
};

type Skill = 'quote-order' | 'reserve-order' | 'place-order' | 'confirm-order' | 'cancel-order';
type Agents = { [S in Skill]: AgentFor<S> };

const purchasing: Agents = {
  'quote-order': quoteOf,
  'reserve-order': ({ orderId }) => ({ orderId, status: 'reserved', reservedUntil: soon }),
  'place-order': ({ orderId }) => ({ orderId, status: 'placed', supplierReference: 'PO-1' }),
  'confirm-order': ({ orderId }) => ({ orderId, status: 'confirmed', supplierReference: 'PO-1' }),
  'cancel-order': (order) => ({ ...order, status: 'canceled', previous: 'reserved', canceledAt: soon }),
};

interface Published {
  type: string;
  subject: string;
  data: Record<string, unknown>;
}

const laptops = (quantity: number) => ({ orderId: 'o', items: [{ sku: 'laptop', quantity }], requester: 'ann' });

async function purchase(input: z.input<typeof purchaseOrder.input>, agents: Partial<Agents> = {}) {
  const published: Published[] = [];
  const run = await testWorkflow(purchaseOrder, {
    input,
    by: 'bob',
    agents: { ...purchasing, ...agents },
    activities: { 'publish-event': (event: Published) => void published.push(event) },
  });
  const skills = () => run.calls.map(({ to }) => to);
  const types = () => published.map(({ type }) => type.replace('PurchaseOrder', ''));
  return { run, published, skills, types };
}
type Run = Awaited<ReturnType<typeof purchase>>['run'];

const failing = (code: 'ORDER_CONFLICT' | 'OUT_OF_STOCK' | 'PEER_REJECTED') => (): never => {
  throw new MeshError(code, `the supplier says ${code}`);
};

describe('a purchase', () => {
  it('below the limit needs nobody', async () => {
    const { run, skills, types } = await purchase({ ...laptops(1), approvalLimit: unitAmount });
    expect(run.questions).toEqual([]);
    expect(skills()).toEqual(['quote-order', 'reserve-order', 'place-order', 'confirm-order']);
    expect(types()).toEqual(['Confirmed']);
    expect(run.output).toEqual({
      orderId: 'o',
      status: 'confirmed',
      total: { amount: unitAmount, currency: 'EUR' },
      approvals: [],
      decidedBy: 'policy',
      supplierReference: 'PO-1',
    });
  });

  it('above the limit is told and asked about, and waits with its stock reserved', async () => {
    const { run, published, skills } = await purchase(laptops(2));
    expect(skills()).toEqual(['quote-order', 'reserve-order']);
    // The reservation outlives the time for the approval.
    expect(run.calls[1]?.input).toMatchObject({ holdMs: 25 * 3_600_000 });
    expect(run.openQuestions).toMatchObject([
      {
        prompt: 'May ann order 2 × Laptop for 2598.00 EUR (order o)?',
        actions: ['approve', 'reject'],
        arguments: { orderId: 'o', requester: 'ann', total: { amount: 259_800, currency: 'EUR' } },
        assignee: 'manager',
      },
    ]);
    expect(published).toMatchObject([
      {
        type: 'PurchaseOrderApprovalRequested',
        subject: 'o',
        data: { orderId: 'o', runId: expect.any(String), approver: 'manager', required: 1 },
      },
    ]);
  });

  it.each([
    ['an answer', async (run: Run) => run.answer({ action: 'approve', reason: 'needed' })],
    ['the event', async (run: Run) => run.raise('Approval_Received', { approved: true, by: 'bob', reason: 'needed' })],
    [
      'the event as an answer',
      async (run: Run) => run.raise('approval_received', { action: 'approve', by: 'bob', reason: 'needed' }),
    ],
  ])('is placed and confirmed when approved by %s', async (_by, approve) => {
    const { run, skills, types } = await purchase(laptops(2));
    await approve(run);
    expect(skills().slice(2)).toEqual(['place-order', 'confirm-order']);
    expect(types()).toEqual(['ApprovalRequested', 'Decided', 'Confirmed']);
    expect(run.output).toMatchObject({
      status: 'confirmed',
      decidedBy: 'bob',
      approvals: [{ by: 'bob', at: expect.any(String), reason: 'needed' }],
      supplierReference: 'PO-1',
    });
  });

  it.each([{}, { approved: 'yes' }, { approved: true, surprise: 1 }, { action: 'edit', value: 1 }, 'approve', null])(
    'is not decided by the event with the payload %j',
    async (payload) => {
      const { run } = await purchase(laptops(2));
      await expect(run.raise('approval_received', payload)).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
      expect(run.status).toBe('waiting');
      await run.raise('approval_received', { approved: false });
      expect(run.output).toMatchObject({ status: 'rejected' });
    },
  );

  it('is canceled when rejected', async () => {
    const { run, skills, types } = await purchase(laptops(2));
    await run.answer({ action: 'reject', reason: 'too dear' });
    expect(run.calls.at(-1)).toMatchObject({ to: 'cancel-order', input: { orderId: 'o', reason: 'too dear' } });
    expect(skills()).not.toContain('place-order');
    expect(types()).toEqual(['ApprovalRequested', 'Decided', 'Canceled']);
    expect(run.output).toMatchObject({ status: 'rejected', decidedBy: 'bob', approvals: [], reason: 'too dear' });
  });

  it('is canceled when a day passes without a decision, and not before', async () => {
    const { run, published } = await purchase(laptops(2));
    await run.advance('23h');
    expect(run.status).toBe('waiting');
    await run.advance('1h');
    expect(run.calls.at(-1)).toMatchObject({ to: 'cancel-order', input: { reason: 'no decision in time' } });
    expect(published.slice(1)).toMatchObject([
      { type: 'PurchaseOrderDecided', data: { decision: 'canceled', decidedBy: 'policy' } },
      { type: 'PurchaseOrderCanceled', data: { reason: 'no decision in time' } },
    ]);
    expect(run).toMatchObject({
      status: 'completed',
      elapsedMs: 24 * 3_600_000,
      output: { status: 'canceled', decidedBy: 'policy', reason: 'no decision in time' },
    });
  });

  it('reminds at half the time, asks a director after three quarters, and takes either decision', async () => {
    const { run } = await purchase({ ...laptops(2), approver: 'cfo' });
    await run.advance('11h');
    expect(run.reminders).toEqual([]);
    await run.advance('1h');
    expect(run.reminders).toMatchObject([{ assignee: 'cfo' }]);
    await run.advance('5h');
    expect(run.openQuestions).toMatchObject([{ assignee: 'cfo' }]);
    await run.advance('1h');
    expect(run.openQuestions).toMatchObject([{ assignee: 'director' }]);
    await run.answer({ action: 'approve' });
    expect(run.output).toMatchObject({ status: 'confirmed' });
  });

  it('makes up the id of an order that has none', async () => {
    const { orderId: _id, ...input } = laptops(1);
    const { run } = await purchase({ ...input, approvalLimit: unitAmount });
    expect(run.output).toMatchObject({ orderId: expect.stringMatching(/^order-[0-9a-f-]{36}$/) });
  });
});

describe('a purchase above the second limit', () => {
  it('needs two different people', async () => {
    const { run, published } = await purchase(laptops(8));
    expect(published[0]?.data).toMatchObject({ required: 2 });
    await run.answer({ action: 'approve' });
    expect(run.status).toBe('waiting');
    await expect(run.answer({ action: 'approve' })).rejects.toMatchObject({ code: 'ALREADY_APPROVED' });
    await run.answer({ action: 'approve', reason: 'fine' }, 'dora');
    expect(run.output).toMatchObject({
      status: 'confirmed',
      decidedBy: 'dora',
      approvals: [{ by: 'bob' }, { by: 'dora', reason: 'fine' }],
    });
  });

  it('is rejected by one of them', async () => {
    const { run } = await purchase(laptops(8));
    await run.answer({ action: 'approve' });
    await run.answer({ action: 'reject' }, 'dora');
    expect(run.output).toMatchObject({ status: 'rejected', decidedBy: 'dora', approvals: [{ by: 'bob' }] });
  });

  it('is canceled when the second one does not come, and tells who had approved', async () => {
    const { run } = await purchase(laptops(8));
    await run.answer({ action: 'approve' });
    await run.advance('24h');
    expect(run.output).toMatchObject({ status: 'canceled', approvals: [{ by: 'bob' }] });
  });
});

describe('a purchase that fails', () => {
  it.each(['place-order', 'confirm-order'] as const)('at %s is undone, and that is told', async (skill) => {
    const { run, types } = await purchase(
      { ...laptops(1), approvalLimit: unitAmount },
      { [skill]: failing('ORDER_CONFLICT') },
    );
    expect(run.calls.at(-1)).toMatchObject({ to: 'cancel-order', input: { orderId: 'o' } });
    expect(run).toMatchObject({
      status: 'failed',
      failure: { code: 'PEER_FAILED', details: { failure: { code: 'ORDER_CONFLICT' } } },
      undone: ['reserve-order at 1', 'tell that the order is canceled'],
    });
    expect(types()).toEqual(['Canceled']);
  });

  it('after it was confirmed keeps its order', async () => {
    const run = await testWorkflow(purchaseOrder, {
      input: { ...laptops(1), approvalLimit: unitAmount },
      agents: purchasing,
      activities: { 'publish-event': failing('PEER_REJECTED') },
    });
    expect(run).toMatchObject({ status: 'failed', undone: [] });
    expect(run.calls.at(-1)?.to).toBe('confirm-order');
  });

  it('for want of stock is not asked about', async () => {
    const { run } = await purchase(laptops(2), { 'reserve-order': failing('OUT_OF_STOCK') });
    expect(run.questions).toEqual([]);
    expect(run).toMatchObject({ status: 'failed', failure: { details: { failure: { code: 'OUT_OF_STOCK' } } } });
    // Nobody knows what became of the reservation, so it is canceled.
    expect(run.calls.map(({ to }) => to)).toEqual(['quote-order', 'reserve-order', 'cancel-order']);
  });

  it('before anything was reserved has nothing to undo', async () => {
    const { run, types } = await purchase(laptops(2), { 'quote-order': failing('ORDER_CONFLICT') });
    expect(run).toMatchObject({ status: 'failed', undone: [] });
    expect(types()).toEqual([]);
  });

  it('is undone when it is canceled while somebody decides', async () => {
    const { run, types } = await purchase(laptops(2));
    await run.cancel('not needed any more');
    expect(run).toMatchObject({ status: 'canceled', openQuestions: [] });
    expect(run.calls.at(-1)?.to).toBe('cancel-order');
    expect(types()).toEqual(['ApprovalRequested', 'Canceled']);
  });

  it('places again when the answer to the first attempt was lost', async () => {
    const { run } = await purchase(
      { ...laptops(1), approvalLimit: unitAmount },
      { 'place-order': (input, call) => (call.attempt === 1 ? silence : purchasing['place-order'](input, call)) },
    );
    await run.advance('10m');
    expect(run.output).toMatchObject({ status: 'confirmed' });
    expect(run.questions).toEqual([]);
  });
});

describe('the input of a purchase', () => {
  it.each([
    ['no items', { ...laptops(1), items: [] }],
    ['no requester', { items: laptops(1).items }],
    ['a limit that is no amount', { ...laptops(1), approvalLimit: 0.5 }],
    ['a negative limit', { ...laptops(1), secondApprovalLimit: -1 }],
    ['no time', { ...laptops(1), deadlineMs: 0 }],
    ['more time than reservations hold', { ...laptops(1), deadlineMs: 31 * 24 * 3_600_000 }],
    ['an order id that no event can be about', { ...laptops(1), orderId: 'a\u0085b' }],
    ['fields it does not know', { ...laptops(1), approved: true }],
  ])('is refused with %s', (_what, input) => {
    expect(purchaseOrder.input.safeParse(input).success).toBe(false);
  });
});
