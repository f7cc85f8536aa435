import { randomUUID } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import { RawClient, type RawWorker } from '@daca-mesh/sidecar/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { conformance, outcome, patient, row } from './suite.ts';
import { complete, Desk, raisedValues, schedule } from './turns.ts';

conformance('streams', {}, (subject) => {
  let clients: RawClient[] = [];
  let workers: RawWorker[] = [];
  let desk: Desk;
  beforeEach(() => {
    desk = new Desk(randomUUID(), subject.raw, () => workers);
  });
  afterEach(() => disconnect());

  /** On a connection of its own. */
  async function connect(): Promise<RawWorker> {
    const client = new RawClient(subject.engine.address);
    const worker = client.worker();
    clients.push(client);
    workers.push(worker);
    await client.call('hello', {});
    await subject.engine.untilWorkers(workers.length);
    return worker;
  }

  async function disconnect(): Promise<void> {
    for (const worker of workers) worker.disconnect();
    for (const client of clients) client[Symbol.dispose]();
    clients = [];
    workers = [];
    await subject.engine.untilWorkers(0);
  }

  /** Leaves an instance that runs and a sidecar without a worker. */
  async function runAndDisconnect(): Promise<void> {
    await connect();
    const started = desk.start();
    await desk.turn();
    await desk.answer([]);
    await started;
    await disconnect();
  }

  row('streams', () => {
    it('hands a turn out again when its worker is lost', async () => {
      await connect();
      const started = desk.start();
      const first = await desk.turn();
      await disconnect();
      await connect();
      const again = await desk.turn();
      expect(again.newEvents.at(-1)).toEqual(first.newEvents.at(-1));
      await desk.answer([complete(1, '1')]);
      await started;
      await expect.poll(() => desk.state(), patient).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED });
    });

    it('keeps work until a worker comes', async () => {
      const started = desk.start();
      await connect();
      await desk.turn();
      await desk.answer([schedule(1)]);
      await started;
      await desk.activity();
      await disconnect();
      await connect();
      expect(await desk.activity()).toMatchObject({ taskId: 1 });
    });

    it('gives work to all workers', async () => {
      const [one, two] = [await connect(), await connect()];
      const started = desk.start();
      await desk.turn();
      await desk.answer(Array.from({ length: 40 }, (_, n) => schedule(n + 1)));
      await started;
      await expect.poll(() => desk.waiting().length, patient).toBe(40);
      expect(Math.min(one.items.length, two.items.length)).toBeGreaterThan(0);
    });
  });

  row('activity-at-least-once', () => {
    it('runs an activity again when its worker is lost', async () => {
      await connect();
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1)]);
      await started;
      const first = await desk.activity();
      await disconnect();
      await connect();
      expect(await desk.activity()).toMatchObject({ name: first.name, input: first.input, taskId: first.taskId });
      await desk.result(1, '"done"');
      await desk.turn();
      await desk.answer([complete(2, '1')]);
    });

    it('does not run one again while its worker lives', async () => {
      await connect();
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1), { id: 2, action: timerIn(2000) }]);
      await started;
      await desk.activity();
      // The timer shows that time has passed.
      await desk.turn();
      expect(desk.waiting()).toEqual([]);
      await desk.answer([complete(3, '1')]);
    });
  });

  row('raise-answers', () => {
    it('keeps an event that is raised while there is no worker', { timeout: 40_000 }, async () => {
      await runAndDisconnect();
      const raise = () => outcome(desk.raise('e', '1'));
      let seen = await raise();
      // Until all of daprd has noticed that the worker is gone it has other errors.
      while (Object(seen).code === 2) seen = await raise();
      await connect();
      expect(seen).toEqual(
        subject.differing('raise-without-worker', {
          embedded: { $typeName: 'RaiseEventResponse' },
          daprd: {
            code: 9,
            details:
              'failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor ' +
              `'dapr.internal.default.coordinator.workflow/${desk.id}'`,
          },
        }),
      );
      if (subject.backEnd === 'daprd') await desk.raise('e', '1');
      expect(raisedValues((await desk.turn()).newEvents)).toContain('1');
      await desk.answer([complete(1, '1')]);
    });
  });

  row('get', () => {
    it('needs no worker', async () => {
      await runAndDisconnect();
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING });
    });
  });

  row('start', () => {
    it('waits for a worker, however long it takes to come', async () => {
      let isAnswered = false;
      const started = desk.start().finally(() => (isAnswered = true));
      const other = connectLater();
      expect(isAnswered).toBe(false);
      await other;
      await desk.turn();
      expect(isAnswered).toBe(false);
      await desk.answer([complete(1, '1')]);
      expect(await started).toMatchObject({ instanceId: desk.id });
    });

    it('does not wait for the first turn if a start time is given, even a past one', async () => {
      await connect();
      const scheduledStartTimestamp = timestampFromMs(Date.now() - 1000);
      const request = { instanceId: desk.id, name: 'flow', scheduledStartTimestamp };
      expect(await outcome(subject.raw.call('startInstance', request))).toMatchObject({ instanceId: desk.id });
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.PENDING });
      await desk.turn();
      await desk.answer([complete(1, '1')]);
    });
  });

  async function connectLater(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await connect();
  }
});

const timerIn = (ms: number) => ({ case: 'createTimer', value: { fireAt: timestampFromMs(Date.now() + ms) } }) as const;
