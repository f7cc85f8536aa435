import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from '@daca-mesh/protocol/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Script } from '../runs/testing/scripted-engine.ts';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import { type CallOutcome, type CallRequest, eventNames } from '../workflow-kit/contract.ts';

/** Makes one call, with the fields the run's input gives, and ends with its outcome. */
const once: Script = async ({ activities, runId, input, scope, call }) => {
  const outcome = await call(callOf(runId, 'only', input as Partial<CallRequest>));
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

/** Gives its call up when an event says so, and ends with what really happened. */
const regret: Script = async ({ activities, runId, input, scope, event }) => {
  const call = callOf(runId, 'only', input as Partial<CallRequest>);
  const sent = activities.send({ ...scope(), call });
  const opened = await Promise.race([sent, sleep(150)]);
  const calls = [{ callId: call.callId, attempt: 1 }];
  await activities.abandon({ ...scope(), calls, reason: 'not needed' });
  const outcome = opened?.status === 'open' || !opened ? await event(eventNames.call(call.callId, 1)) : opened;
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

/** Gives a call up before it sends it. */
const tombstone: Script = async ({ activities, runId, scope, call }) => {
  const request = callOf(runId, 'only');
  await activities.abandon({ ...scope(), calls: [{ callId: request.callId, attempt: 1 }], reason: 'changed my mind' });
  const outcome = await call(request);
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

/** Goes on after its run was canceled: makes a call, and one that undoes. */
const deaf: Script = async ({ activities, runId, scope, call }) => {
  void call(callOf(runId, 'onward', { input: { text: '{}' } }));
  const undone = await call(callOf(runId, 'undo', { input: { text: '{}' }, compensating: true }));
  await activities.finish({ ...scope(), end: { status: 'completed', output: undone } });
};

const hang = (hangMs: number) => ({ input: { text: JSON.stringify({ hangMs }) } });

describe('a call', () => {
  let mesh: TestMesh;
  let executions: number;
  let canceled: number;

  const work = {
    work: async ({
      input,
      task,
    }: {
      input: { text?: string | undefined };
      task: { signal: AbortSignal; update: (text: string) => Promise<void> };
    }) => {
      executions++;
      const { hangMs, busyMs } = JSON.parse(input.text?.startsWith('{') ? input.text : '{}') as {
        hangMs?: number;
        busyMs?: number;
      };
      for (const until = Date.now() + (busyMs ?? 0); Date.now() < until; await sleep(40)) await task.update('busy');
      try {
        await sleep(hangMs ?? 0, undefined, { signal: task.signal });
      } catch (error) {
        canceled++;
        throw error;
      }
      return { did: 'it' };
    },
  };
  beforeEach(async () => {
    executions = 0;
    canceled = 0;
    mesh = await TestMesh.create({ once, regret, tombstone, deaf });
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  const outcomeOf = (runId: string, timeout = 15_000) =>
    vi.waitFor(async () => {
      const run = await mesh.coordinator.runs.get(runId);
      expect(run.status).toBe('completed');
      // The scripts end with the outcome of their call.
      return run.output as CallOutcome;
    }, timeout);

  it('waits for an agent that is down, and reaches it once when it is back', async () => {
    const first = await mesh.agent(work);
    await mesh.start();
    await first.close();
    const runId = await mesh.run('once');
    await vi.waitFor(
      async () => expect((await mesh.calls(runId))[0]).toMatchObject({ state: 'unsent', tries: 2 }),
      5_000,
    );
    expect(mesh.coordinator.directory.list()[0]?.status).toBe('down');
    await mesh.agent(work, { port: Number(new URL(first.url).port) });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { did: 'it' } });
    expect(executions).toBe(1);
    expect((await mesh.timelineTypes(runId)).filter((type) => type === 'call-sent')).toHaveLength(1);
  });

  it('may be tried again when its agent could not be reached in time', async () => {
    const agent = await mesh.agent(work);
    await mesh.start();
    await agent.close();
    const runId = await mesh.run('once', { timeoutMs: 400 });
    const failure = { code: 'DEADLINE_EXCEEDED', retryable: true, details: { sent: false } };
    expect(await outcomeOf(runId)).toMatchObject({ status: 'timed-out', failure });
    expect(executions).toBe(0);
  });

  it('waits for an agent whose card is not known yet', async () => {
    const probe = await mesh.agent(work);
    const port = Number(new URL(probe.url).port);
    await probe.close();
    await mesh.start();
    const runId = await mesh.run('once');
    await vi.waitFor(async () => expect(await mesh.calls(runId)).toMatchObject([{ state: 'unsent', agent: null }]));
    await mesh.agent(work, { port });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
    expect(executions).toBe(1);
  });

  it('fails where no agent has its skill, or its name', async () => {
    await mesh.agent(work);
    await mesh.start();
    const skill = await outcomeOf(await mesh.run('once', { target: { skill: 'fly' } }));
    expect(skill).toMatchObject({ status: 'failed', failure: { code: 'SKILL_NOT_FOUND', retryable: false } });
    const agent = await outcomeOf(await mesh.run('once', { target: { agent: 'nobody' } }));
    expect(agent).toMatchObject({ status: 'failed', failure: { code: 'PEER_NOT_FOUND', retryable: false } });
  });

  it('cancels the task of an agent that takes too long, and may then be tried again', async () => {
    await mesh.agent(work);
    await mesh.start();
    const runId = await mesh.run('once', { ...hang(60_000), timeoutMs: 300 });
    const failure = { code: 'DEADLINE_EXCEEDED', retryable: true };
    expect(await outcomeOf(runId)).toMatchObject({ status: 'timed-out', failure });
    await vi.waitFor(() => expect(canceled).toBe(1));
  });

  it('gives up on an agent that is silent, but not on one that makes progress', async () => {
    await mesh.agent(work);
    await mesh.start();
    const silent = await mesh.run('once', { ...hang(60_000), noProgressMs: 300 });
    const busy = await mesh.run('once', { input: { text: JSON.stringify({ busyMs: 900 }) }, noProgressMs: 700 });
    mesh.coordinator.signals.followers.follow(busy);
    expect(await outcomeOf(silent)).toMatchObject({ status: 'timed-out', failure: { message: /no progress/ } });
    expect(await outcomeOf(busy)).toMatchObject({ status: 'completed' });
  });

  it('says how it ended when it was given up', async () => {
    await mesh.agent(work);
    await mesh.start();
    const running = await mesh.run('regret', hang(60_000));
    expect(await outcomeOf(running)).toMatchObject({ status: 'canceled', failure: { code: 'CANCELED' } });
    expect(canceled).toBe(1);
    const done = await mesh.run('regret', { input: { text: '{}' } });
    expect(await outcomeOf(done)).toMatchObject({ status: 'completed' });
  });

  it('is never sent when it was given up before', async () => {
    await mesh.agent(work);
    await mesh.start();
    const runId = await mesh.run('tombstone');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'canceled', failure: { details: { sent: false } } });
    expect(executions).toBe(0);
  });

  it('is held back while its run is suspended, and its clock stands still', async () => {
    await mesh.agent(work);
    await mesh.start();
    mesh.engine.up = false;
    const runId = await mesh.run('once', { timeoutMs: 300 });
    await mesh.coordinator.runs.suspend(runId);
    expect((await mesh.coordinator.runs.get(runId)).status).toBe('suspended');
    mesh.engine.reconnect();
    await vi.waitFor(async () => expect(await mesh.calls(runId)).toMatchObject([{ state: 'unsent' }]));
    await sleep(500);
    expect(await mesh.calls(runId)).toMatchObject([{ state: 'unsent' }]);
    expect(executions).toBe(0);
    await mesh.coordinator.runs.resume(runId);
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
    expect(await mesh.timelineTypes(runId)).toEqual(expect.arrayContaining(['run-suspended', 'run-resumed']));
  });

  it('is not sent for a run that was canceled, unless it undoes something', async () => {
    await mesh.agent(work);
    await mesh.start();
    mesh.engine.up = false;
    const runId = await mesh.run('deaf');
    await mesh.coordinator.runs.cancel(runId, 'changed my mind');
    mesh.engine.reconnect();
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { did: 'it' } });
    expect(executions).toBe(1);
    expect(await mesh.timelineTypes(runId)).toEqual(expect.arrayContaining(['cancel-requested', 'call-completed']));
  });

  it('is found in the list of its agent when it ends, without being looked at', async () => {
    // Looked at by itself it would be once, before its end, and then much later.
    await mesh.agent(work);
    await mesh.start({ streams: false });
    const runId = await mesh.run('once', hang(2_500));
    expect(await outcomeOf(runId, 12_000)).toMatchObject({ status: 'completed' });
    expect(executions).toBe(1);
  });

  it('goes on after a crash while its agent works, without a second task', async () => {
    const agent = await mesh.agent(work);
    await mesh.start();
    const runId = await mesh.run('once', hang(900));
    await vi.waitFor(async () => expect((await mesh.calls(runId))[0]?.state).toBe('open'), 5_000);
    await mesh.crash();
    await mesh.start();
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
    expect(executions).toBe(1);
    const client = await AgentClient.connect(agent.url);
    expect((await client.list()).tasks).toHaveLength(1);
  });

  it('is sent again, the same bytes, after a crash in the middle of the send', async () => {
    const agent = await mesh.agent(work);
    await mesh.start({ lingerMs: 2_000 });
    const runId = await mesh.run('once', hang(500));
    await vi.waitFor(() => expect(executions).toBe(1));
    expect(await mesh.calls(runId)).toMatchObject([{ state: 'sending' }]);
    await mesh.crash();
    await mesh.start();
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
    expect(executions).toBe(1);
    const client = await AgentClient.connect(agent.url);
    expect((await client.list()).tasks).toHaveLength(1);
  });

  it('fails when its agent returns what does not fit the skill', async () => {
    await mesh.agent({ 'score-spam': async () => ({ score: 7 }) });
    await mesh.start();
    const runId = await mesh.run('once', { target: { skill: 'score-spam' } });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'failed', failure: { code: 'INVALID_OUTPUT' } });
  });

  it('finds a healthy agent with the same skill when the first one is down', async () => {
    const first = await mesh.agent(work, { name: 'first' });
    await mesh.agent(work, { name: 'second' });
    await mesh.start();
    expect(await outcomeOf(await mesh.run('once'))).toMatchObject({ status: 'completed', agent: 'first' });
    await first.close();
    expect(await outcomeOf(await mesh.run('once'))).toMatchObject({ status: 'completed', agent: 'second' });
  });
});
