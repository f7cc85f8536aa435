import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenDigest } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, post, questionOf, startRun, timeline } from './api.ts';
import { Dashboard } from './dashboard.ts';
import { daprdApi, isDaprWanted, sidecarApi, startOnDapr } from './dapr.ts';
import { eventually, Mesh } from './mesh.ts';
import { orderSteps, stockOf, supplierReferences } from './orders.ts';

/** Purchases: who approves and how, what is undone, and that one order is placed whatever dies. Seen in purchasing's store. */

const input = (orderId: string, sku: string, quantity: number, more: object = {}) => ({
  orderId,
  items: [{ sku, quantity }],
  requester: 'ann',
  ...more,
});

const as = (token: string) => ({ authorization: `Bearer ${token}` });

const placedOnce = ['reserved', 'placed', 'confirmed'];

describe('a purchase', () => {
  let dashboard: Dashboard;
  let mesh: Mesh;
  const base = () => mesh.coordinator;
  beforeAll(async () => {
    dashboard = await Dashboard.start();
    const coordinator = { MESH_DAPR_HTTP_PORT: '0', MESH_WEBHOOKS: dashboard.url };
    mesh = await Mesh.start({ peers: ['purchasing'], env: { coordinator } });
  }, 60_000);
  afterAll(async () => {
    await mesh[Symbol.asyncDispose]();
    await dashboard[Symbol.asyncDispose]();
  });
  /** The events about an order, once the last one has come. */
  const told = (orderId: string, last: string) =>
    eventually(
      async () => dashboard.typesAbout(orderId).map((type) => type.replace('PurchaseOrder', '')),
      (types) => types.at(-1) === last,
      { what: `the event ${last} about ${orderId}` },
    );

  const purchase = async (orderId: string, sku: string, quantity: number, more: object = {}): Promise<string> =>
    (await startRun(base, 'purchase-order', input(orderId, sku, quantity, more), randomUUID())).runId;
  const asked = async (orderId: string, more: object = {}): Promise<string> => {
    const runId = await purchase(orderId, 'laptop', 1, more);
    await questionOf(base, runId);
    return runId;
  };
  const raise = (runId: string, payload: unknown) =>
    post<{ code?: string }>(`${base()}/runs/${runId}/events/approval_received`, payload);

  it('below the limit is placed without asking anybody', { timeout: 60_000 }, async () => {
    const run = await ended(base, await purchase('small', 'dock', 2));
    expect(run).toMatchObject({
      status: 'completed',
      output: { status: 'confirmed', total: { amount: 37_800, currency: 'EUR' }, approvals: [], decidedBy: 'policy' },
    });
    expect(orderSteps(mesh, 'small')).toEqual(placedOnce);
    expect(stockOf(mesh, 'dock')).toBe(98);
  });

  const channels: [string, (runId: string) => Promise<unknown>, string][] = [
    ['an HTTP event', (runId) => raise(runId, { approved: true, by: 'bob', reason: 'needed' }), 'bob'],
    [
      'an A2A message',
      async (runId) => {
        const client = await AgentClient.connect(base());
        return client.answer(runId, { action: 'approve', reason: 'needed' });
      },
      'local',
    ],
    [
      'an answer in the inbox, as the command line gives it',
      async (runId) => {
        const { id } = await questionOf(base, runId);
        return post(`${base()}/questions/${id}/answer`, { action: 'approve', reason: 'needed', by: 'bob' });
      },
      'bob',
    ],
    [
      "Dapr's own raise",
      (runId) =>
        fetch(`${sidecarApi(mesh)}/workflows/dapr/${runId}/raiseEvent/approval_received`, {
          method: 'POST',
          body: JSON.stringify({ approved: true, reason: 'needed' }),
        }),
      'dapr',
    ],
    [
      'a CloudEvent about the order',
      () =>
        post(
          `${base()}/events`,
          {
            specversion: '1.0',
            id: randomUUID(),
            source: 'urn:example:erp',
            type: 'approval_received',
            subject: 'a CloudEvent about the order',
            data: { orderId: 'a CloudEvent about the order', approved: true, by: 'bob', reason: 'needed' },
          },
          { 'content-type': 'application/cloudevents+json' },
        ),
      'bob',
    ],
  ];

  it.each(channels)('is placed once when approved by %s', { timeout: 60_000 }, async (channel, approve, by) => {
    const runId = await asked(channel);
    expect(orderSteps(mesh, channel)).toEqual(['reserved']);
    await approve(runId);
    const run = await ended(base, runId);
    expect(run).toMatchObject({
      status: 'completed',
      output: { status: 'confirmed', decidedBy: by, approvals: [{ by, reason: 'needed' }] },
    });
    expect(orderSteps(mesh, channel)).toEqual(placedOnce);
    expect(supplierReferences(mesh, channel)).toEqual([run.output?.['supplierReference']]);
    expect(await told(channel, 'Confirmed')).toEqual(['ApprovalRequested', 'Decided', 'Confirmed']);
    expect(await raise(runId, { approved: true })).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
  });

  it(
    'is canceled and its stock free again when rejected, whatever nonsense came before',
    { timeout: 60_000 },
    async () => {
      const stock = stockOf(mesh, 'server');
      const runId = await purchase('rejected', 'server', 1);
      await questionOf(base, runId);
      expect(stockOf(mesh, 'server')).toBe(Number(stock) - 1);
      for (const payload of [{}, { approved: 'yes' }, { approved: true, surprise: 1 }, 'approve']) {
        expect(await raise(runId, payload)).toMatchObject({ status: 400, body: { code: 'ANSWER_INVALID' } });
      }
      await raise(runId, { approved: false, by: 'bob', reason: 'too dear' });
      expect(await ended(base, runId)).toMatchObject({
        status: 'completed',
        output: { status: 'rejected', decidedBy: 'bob', reason: 'too dear' },
      });
      expect(orderSteps(mesh, 'rejected')).toEqual(['reserved', 'canceled']);
      expect(await told('rejected', 'Canceled')).toEqual(['ApprovalRequested', 'Decided', 'Canceled']);
      expect(stockOf(mesh, 'server')).toBe(stock);
    },
  );

  it('reminds, asks a director, and is canceled when nobody decides in time', { timeout: 60_000 }, async () => {
    const runId = await purchase('silence', 'server', 1, { secondApprovalLimit: 10_000_000, deadlineMs: 2_000 });
    expect(await ended(base, runId)).toMatchObject({
      status: 'completed',
      output: { status: 'canceled', decidedBy: 'policy', reason: 'no decision in time' },
    });
    const types = (await timeline(base, runId)).map(({ type }) => type).filter((type) => type.startsWith('question-'));
    expect(types).toEqual(['question-asked', 'question-reminded', 'question-escalated', 'question-expired']);
    expect(orderSteps(mesh, 'silence')).toEqual(['reserved', 'canceled']);
    expect(stockOf(mesh, 'server')).toBe(4);
  });

  it('that comes twice at the same moment is one purchase', { timeout: 60_000 }, async () => {
    const runs = await Promise.all([1, 2].map(() => purchase('twice', 'dock', 1)));
    const ends = await Promise.all(runs.map((runId) => ended(base, runId)));
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['completed', 'failed']);
    expect(ends.find(({ status }) => status === 'failed')?.error?.message).toContain('quoted for another purchase');
    expect(orderSteps(mesh, 'twice')).toEqual(placedOnce);
  });

  it('fails for want of stock, and asks nobody', { timeout: 60_000 }, async () => {
    const run = await ended(base, await purchase('too-many', 'server', 5));
    expect(run).toMatchObject({ status: 'failed', error: { code: 'PEER_FAILED' } });
    expect(run.error?.message).toContain('there are 4 of server in stock, not 5');
    expect(stockOf(mesh, 'server')).toBe(4);
  });

  it('is undone when the supplier refuses it', { timeout: 60_000 }, async () => {
    const runId = await purchase('refused', 'projector', 2);
    await questionOf(base, runId);
    expect(stockOf(mesh, 'projector')).toBe(8);
    await raise(runId, { approved: true });
    const run = await ended(base, runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'PEER_FAILED' } });
    expect(run.error?.message).toContain('the supplier does not deliver projector any more');
    expect(orderSteps(mesh, 'refused')).toEqual(['reserved', 'canceled']);
    expect(stockOf(mesh, 'projector')).toBe(10);
    expect(await told('refused', 'Canceled')).toEqual(['ApprovalRequested', 'Decided', 'Canceled']);
  });

  it('is undone when somebody cancels it at purchasing while the manager thinks', { timeout: 60_000 }, async () => {
    const stock = stockOf(mesh, 'laptop');
    const runId = await asked('withdrawn');
    const purchasing = await AgentClient.connect(mesh.url('purchasing'));
    const cancel = { orderId: 'withdrawn', reason: 'sold out' };
    await purchasing.send({ skill: 'cancel-order', input: cancel, blocking: true });
    await raise(runId, { approved: true });
    const run = await ended(base, runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'PEER_FAILED' } });
    expect(run.error?.message).toContain('order withdrawn is canceled and cannot be placed');
    expect(orderSteps(mesh, 'withdrawn')).toEqual(['reserved', 'canceled']);
    expect(stockOf(mesh, 'laptop')).toBe(stock);
  });

  it('that needs two people takes no approval of somebody unknown', { timeout: 60_000 }, async () => {
    const runId = await purchase('two', 'server', 3);
    const { id } = await questionOf(base, runId);
    for (const attempt of [
      raise(runId, { approved: true, by: 'bob' }),
      post(`${base()}/questions/${id}/answer`, { action: 'approve', by: 'bob' }),
    ]) {
      expect(await attempt).toMatchObject({ status: 403, body: { code: 'AUTHENTICATION_REQUIRED' } });
    }
    await post(`${base()}/runs/${runId}/cancel`, { reason: 'nobody has a token' });
    expect(await ended(base, runId)).toMatchObject({ status: 'canceled' });
    expect(orderSteps(mesh, 'two')).toEqual(['reserved', 'canceled']);
  });
});

describe('a purchase by two people while everything dies', () => {
  it('is placed once', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'purchase-'));
    const principals = join(folder, 'principals.json');
    const people = ['bob', 'dora'].map((name) => ({
      name,
      tokenSha256: tokenDigest(`${name}-secret`),
      roles: ['manager'],
    }));
    writeFileSync(principals, JSON.stringify(people));
    try {
      await using dashboard = await Dashboard.start();
      await using mesh = await Mesh.start({
        peers: ['purchasing'],
        env: {
          all: { MESH_TOKEN: 'mesh-secret', MESH_PRINCIPALS: principals },
          // After the last approval was stored and before the order is placed; and in the middle of placing it.
          coordinator: { MESH_KILL_AT: 'answer-accepted', MESH_WEBHOOKS: dashboard.url },
          purchasing: { MESH_KILL_AT: 'order-placed' },
        },
      });
      const body = input('crash', 'server', 3);
      const { body: run } = await post<{ runId: string }>(`${mesh.coordinator}/workflows/purchase-order`, body, {
        ...as('mesh-secret'),
        'idempotency-key': randomUUID(),
      });
      const read = async <T>(path: string): Promise<T> =>
        // The shapes the API documents.
        (await (await fetch(`${mesh.coordinator}${path}`, { headers: as('mesh-secret') })).json()) as T;
      const open = await eventually(
        () => read<{ questions: { id: string }[] }>(`/questions?runId=${run.runId}&status=open`),
        ({ questions }) => questions.length > 0,
        { what: 'the question' },
      );
      const questionId = open.questions[0]?.id ?? '';
      const approve = (token: string) =>
        post<{ code?: string }>(`${mesh.coordinator}/questions/${questionId}/answer`, { action: 'approve' }, as(token));
      expect(await approve('bob-secret')).toMatchObject({ status: 200 });
      expect(await approve('bob-secret')).toMatchObject({ status: 409, body: { code: 'ALREADY_APPROVED' } });
      // The coordinator dies before it can reply.
      await expect(approve('dora-secret')).rejects.toThrow('fetch failed');

      const end = await eventually(
        () => read<{ status: string; output?: object }>(`/runs/${run.runId}`),
        ({ status }) => ['completed', 'failed', 'canceled'].includes(status),
        { withinMs: 60_000, what: 'the end of the run' },
      );
      expect([mesh.kills('coordinator'), mesh.kills('purchasing')]).toEqual([1, 1]);
      expect(end).toMatchObject({
        status: 'completed',
        output: { status: 'confirmed', decidedBy: 'dora', approvals: [{ by: 'bob' }, { by: 'dora' }] },
      });
      expect(orderSteps(mesh, 'crash')).toEqual(placedOnce);
      expect(stockOf(mesh, 'server')).toBe(1);
      await expect
        .poll(() => dashboard.typesAbout('crash'), { timeout: 20_000 })
        .toEqual(['PurchaseOrderApprovalRequested', 'PurchaseOrderDecided', 'PurchaseOrderConfirmed']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe.skipIf(!isDaprWanted())('a purchase on Dapr', () => {
  it("is approved by daprd's own raise, and is placed once", { timeout: 240_000 }, async () => {
    await using mesh = await startOnDapr(['purchasing']);
    const base = () => mesh.coordinator;
    const { runId } = await startRun(base, 'purchase-order', input('on-dapr', 'laptop', 1), randomUUID());
    await questionOf(base, runId, 120_000);
    const { url, apiToken } = daprdApi(mesh);
    const instance = `${url}/workflows/dapr/${runId}`;
    const headers = { 'dapr-api-token': apiToken, 'content-type': 'application/json' };
    const body = JSON.stringify({ approved: true, reason: 'needed' });
    const raised = await fetch(`${instance}/raiseEvent/approval_received`, { method: 'POST', headers, body });
    expect(raised.status).toBe(202);
    expect(await ended(base, runId, 120_000)).toMatchObject({
      status: 'completed',
      output: { status: 'confirmed', decidedBy: 'dapr', approvals: [{ by: 'dapr', reason: 'needed' }] },
    });
    expect(orderSteps(mesh, 'on-dapr')).toEqual(placedOnce);
    await expect
      .poll(async () => (await fetch(instance, { headers })).json(), { timeout: 20_000 })
      .toMatchObject({ runtimeStatus: 'COMPLETED' });
  });
});
