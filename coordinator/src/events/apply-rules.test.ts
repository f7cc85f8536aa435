import { randomUUID } from 'node:crypto';
import { createEvent } from '@daca-mesh/protocol/events';
import { run } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getQuestion } from '../inbox/inbox.ts';
import { askQuestion } from '../inbox/questions.ts';
import { type InboxStore, openInboxStore } from '../inbox/testing/inbox-store.ts';
import { people } from '../inbox/testing/people.ts';
import { answerByEarlierEvent } from '../runs/receive-event.ts';
import { query } from '../store/schema.ts';
import { deviceRepair } from '../workflows/device-repair.ts';
import { purchaseOrder } from '../workflows/purchase-order.ts';
import { applyRules, hopsOf } from './apply-rules.ts';
import { loadRules } from './event-rules.ts';

let store: InboxStore;
let runId: string;
beforeEach(async () => {
  store = await openInboxStore({ callers: people });
  runId = await store.newRun();
});
afterEach(() => store[Symbol.asyncDispose]());

const questionId = () => `${runId}-q000000000001`;

/** A run becomes a purchase. */
const become = (id: string, input: object) =>
  store.database.write(() => {
    const set = { workflow: 'purchase-order', input: JSON.stringify(input) };
    return run(query.updateTable('runs').set(set).where('run_id', '=', id).compile());
  });
/** The run becomes a purchase that asks about an order; its input names the order, unless the workflow made up its id. */
async function purchase(orderId: string, input: object): Promise<void> {
  await become(runId, input);
  await store.database.write(function* () {
    yield* askQuestion(store, {
      questionId: questionId(),
      runId,
      generation: 0,
      path: [],
      prompt: 'Order it?',
      actions: ['approve', 'reject'],
      arguments: { orderId },
      assignee: 'manager',
      event: 'approval_received',
    });
  });
}

const tell = (fields: { subject?: string; data: unknown; runid?: string }, by = 'ann') => {
  const event = createEvent({ type: 'approval_received', source: 'urn:example:erp', id: randomUUID(), ...fields });
  const workflows = [purchaseOrder];
  const deps = { ...store, workflows, rules: loadRules(undefined, workflows) };
  return store.database.write(() => applyRules(deps, event, by));
};
const answered = () => store.database.read(() => getQuestion(questionId()));

describe('an approval of an order, by the shipped rules,', () => {
  it.each([
    ['by its subject', { subject: 'o-1', data: { approved: true, reason: 'needed' } }],
    ['by its data, which may hold more', { data: { orderId: 'o-1', approved: true, reason: 'needed', seenBy: 7 } }],
    ['as an action', { subject: 'o-1', data: { orderId: 'o-1', action: 'approve', reason: 'needed' } }],
  ])('finds it %s', async (_how, event) => {
    await purchase('o-1', { orderId: 'o-1' });
    expect(await tell(event)).toEqual({ status: 'raised', runId, rule: 'approval-of-asked-order' });
    expect(await answered()).toMatchObject({
      status: 'answered',
      answer: { action: 'approve', reason: 'needed' },
      answeredBy: 'ann',
    });
  });

  it('finds an order whose id the workflow made up', async () => {
    await purchase('order-7', { requester: 'ann' });
    const event = { subject: 'order-7', data: { orderId: 'order-7', approved: false } };
    expect(await tell(event)).toMatchObject({ status: 'raised', runId, rule: 'approval-of-asked-order' });
    expect(await answered()).toMatchObject({ status: 'answered', answer: { action: 'reject' } });
    // The order is not asked about any more.
    expect(await tell(event)).toEqual({ status: 'unmatched' });
  });

  it('finds who asks, also when another run claims the same order later', async () => {
    await purchase('o-1', { orderId: 'o-1' });
    await become(await store.newRun(), { orderId: 'o-1' });
    expect(await tell({ subject: 'o-1', data: { approved: true } })).toMatchObject({ runId });
    expect(await answered()).toMatchObject({ status: 'answered' });
  });

  it('is kept for the question when it comes before it', async () => {
    await become(runId, { orderId: 'o-1' });
    const event = { subject: 'o-1', data: { orderId: 'o-1', approved: true } };
    expect(await tell(event)).toEqual({ status: 'raised', runId, rule: 'approval-by-order' });
    await purchase('o-1', { orderId: 'o-1' });
    await store.database.write(() => answerByEarlierEvent(store, runId, questionId(), 'approval_received'));
    expect(await answered()).toMatchObject({ status: 'answered', answeredBy: 'ann' });
  });

  it('finds the run itself', async () => {
    await purchase('o-1', { orderId: 'o-1' });
    expect(await tell({ subject: runId, data: { approved: true } })).toMatchObject({ rule: 'approval-by-run' });
  });

  it('says of nobody else that they decided, and decides nothing for who may not', async () => {
    await purchase('o-1', { orderId: 'o-1' });
    const event = { subject: 'o-1', data: { orderId: 'o-1', approved: true, by: 'bob' } };
    await expect(tell(event, 'eve')).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
    await expect(tell(event, 'event-bus')).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
    await tell(event);
    expect(await answered()).toMatchObject({ answeredBy: 'ann' });
  });

  it.each([
    { orderId: 'o-1' },
    { orderId: 'o-1', approved: 'yes' },
    { orderId: ['o-1'], approved: true },
    'approved',
    null,
  ])('is not decided by %j', async (data) => {
    await purchase('o-1', { orderId: 'o-1' });
    const subject = { subject: 'o-1' };
    const outcome = await tell({ ...subject, data }).catch((error: { code: string }) => error);
    expect(outcome).not.toMatchObject({ status: 'raised' });
    expect(await answered()).toMatchObject({ status: 'open' });
  });
});

it('a device that is unhealthy is repaired by one run, whoever tells of it and of which fault', async () => {
  const deps = { ...store, workflows: [deviceRepair], rules: loadRules(undefined, [deviceRepair]) };
  const unhealthy = (source: string, subject: string, data: object) =>
    store.database.write(() =>
      applyRules(deps, createEvent({ type: 'DeviceUnhealthy', source, subject, data }), 'ann'),
    );
  const lamp = { kind: 'light', deviceId: 'light-1' };
  const first = await unhealthy('urn:daca-mesh:agent:device-light', 'light-1', { ...lamp, fault: 'stuck' });
  expect(first).toMatchObject({ status: 'started', rule: 'repair-unhealthy-device' });
  const again = await unhealthy('urn:daca-mesh:agent:coordinator', 'device:light-1', { ...lamp, fault: 'offline' });
  expect(again).toMatchObject({ status: 'joined', runId: first.runId });
  expect(await unhealthy('urn:x', 'light-1', { ...lamp, deviceId: 'light-2' })).toMatchObject({ status: 'started' });
});

const tellUnhealthy = (deviceId: string, rules = loadRules(undefined, [deviceRepair])) => {
  const data = { kind: 'light', deviceId, fault: 'stuck' };
  const event = createEvent({ type: 'DeviceUnhealthy', source: '/house', subject: deviceId, data });
  return store.database.write(() => applyRules({ ...store, workflows: [deviceRepair], rules }, event, 'ann'));
};
const setRun = (fields: object) =>
  store.database.write(() => run(query.updateTable('runs').set(fields).where('run_id', '=', runId).compile()));

/** The run becomes a repair that a person started. */
const repairs = (deviceId: string) => {
  const input = JSON.stringify({ kind: 'light', deviceId, maxRepairs: 2, deadlineMs: 1000 });
  return setRun({ workflow: 'device-repair', input });
};

describe('a device that is repaired already', () => {
  it('is not repaired by a second run because a person started the first one', async () => {
    await repairs('light-1');
    expect(await tellUnhealthy('light-1')).toEqual({ status: 'joined', runId, rule: 'repair-unhealthy-device' });
    expect(await tellUnhealthy('light-2')).toMatchObject({ status: 'started' });
    await setRun({ status: 'completed' });
    expect(await tellUnhealthy('light-1')).toMatchObject({ status: 'started' });
  });

  it('nor because another run has it repaired by a child', async () => {
    await repairs('light-1');
    const root = await store.newRun();
    await setRun({ root_run_id: root, parent_run_id: root, path: '0' });
    expect(await tellUnhealthy('light-1')).toMatchObject({ status: 'joined', runId: root });
  });

  it('is another one where the rule itself says that it is of another kind', async () => {
    await repairs('same-id');
    const [shipped] = loadRules(undefined, [deviceRepair]);
    if (!shipped?.start) throw new TypeError('the shipped rules start with another one');
    const input = { kind: 'lock', deviceId: { $: '/data/deviceId' } };
    const locks = [{ ...shipped, start: { ...shipped.start, input, oncePer: ['/data/deviceId'] } }];
    expect(await tellUnhealthy('same-id', locks)).toMatchObject({ status: 'started' });
  });

  it('is repaired again by a rule that is not about devices', async () => {
    await repairs('light-1');
    const [shipped] = loadRules(undefined, [deviceRepair]);
    if (!shipped?.start) throw new TypeError('the shipped rules start with another one');
    const perSource = [{ ...shipped, start: { ...shipped.start, oncePer: ['/source'] } }];
    expect(await tellUnhealthy('light-1', perSource)).toMatchObject({ status: 'started' });
    expect(await tellUnhealthy('light-2', perSource)).toMatchObject({ status: 'joined' });
  });
});

it.each([
  [-1_000_000, 1],
  ['1.5', 3],
  ['many', 1],
  [true, 2],
])('an event that says %j runs led to it starts one that counts %i', async (hops, counted) => {
  const data = { kind: 'light', deviceId: 'light-1' };
  const event = createEvent({ type: 'DeviceUnhealthy', source: '/house', data, hops });
  const deps = { ...store, workflows: [deviceRepair], rules: loadRules(undefined, [deviceRepair]) };
  const { runId: started } = await store.database.write(() => applyRules(deps, event, 'ann'));
  expect(await store.database.read(() => hopsOf(started ?? ''))).toBe(counted);
});
