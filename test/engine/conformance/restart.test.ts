import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import { RawClient, type RawWorker } from '@daca-mesh/sidecar/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { conformance, outcome, patient, row } from './suite.ts';
import { child, complete, Desk, kinds, raisedValues, schedule } from './turns.ts';

conformance('restarts', {}, (subject) => {
  let client: RawClient;
  let worker: RawWorker;
  let desk: Desk;
  const deskOf = (id: string) => new Desk(id, client, () => [worker]);
  beforeEach(async () => {
    await connect();
    desk = deskOf(randomUUID());
  });
  afterEach(() => disconnect());

  async function connect(): Promise<void> {
    client = new RawClient(subject.engine.address);
    worker = client.worker();
    await client.call('hello', {});
    await subject.engine.untilWorkers(1);
  }

  async function disconnect(): Promise<void> {
    worker.disconnect();
    client[Symbol.dispose]();
    await subject.engine.untilWorkers(0);
  }

  /** Without a worker in between, and connected again after. */
  async function killAndRestart(meanwhile?: () => Promise<void>): Promise<void> {
    await subject.engine.kill();
    worker.disconnect();
    client[Symbol.dispose]();
    await meanwhile?.();
    await subject.engine.restart();
    await connect();
    desk = deskOf(desk.id);
  }

  async function startRunning(): Promise<void> {
    const started = desk.start();
    await desk.turn();
    await desk.answer([]);
    await started;
  }

  row('commit-atomic', () => {
    it('still does all that a turn asked for when it is killed after the answer', async () => {
      const started = desk.start();
      await desk.turn();
      const fireAt = timestampFromMs(Date.now() + 1500);
      await desk.answer([
        schedule(1),
        { id: 2, action: { case: 'createTimer', value: { fireAt } } },
        child(3, `${desk.id}-child`),
      ]);
      await started;
      await killAndRestart();
      expect(await desk.activity()).toMatchObject({ name: 'work', taskId: 1 });
      const other = deskOf(`${desk.id}-child`);
      expect(kinds((await other.turn()).newEvents)).toContain('executionStarted');
      await desk.result(1, '"done"');
      const seen: (string | undefined)[] = [];
      while (!(seen.includes('taskCompleted') && seen.includes('timerFired'))) {
        const turn = await desk.turn();
        seen.push(...kinds(turn.newEvents));
        await desk.answer([]);
      }
      await other.answer([complete(1, '1')]);
      expect(kinds((await desk.turn()).newEvents)).toEqual(['workflowStarted', 'childWorkflowCompleted']);
      await desk.answer([complete(4, '1')]);
      expect(seen.filter((kind) => kind === 'timerFired')).toHaveLength(1);
      expect(seen.filter((kind) => kind === 'taskCompleted')).toHaveLength(1);
    });

    it('has done nothing of a turn that was not answered', async () => {
      await startRunning();
      await desk.raise('e', '1');
      const before = await desk.turn();
      await killAndRestart();
      const again = await desk.turn();
      expect(again.pastEvents).toEqual(before.pastEvents);
      expect(raisedValues(again.newEvents)).toEqual(['1']);
      await desk.answer([complete(1, '1')]);
    });
  });

  row('recovery', () => {
    it('keeps an event that was raised before it was killed', async () => {
      await startRunning();
      await desk.raise('e', '1');
      await killAndRestart();
      expect(raisedValues((await desk.turn()).newEvents)).toEqual(['1']);
      await desk.answer([complete(1, '"end"')]);
      await expect
        .poll(() => desk.state(), patient)
        .toMatchObject({
          workflowStatus: WorkflowStatus.COMPLETED,
          output: '"end"',
        });
    });

    it('keeps what is over', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([complete(1, '"end"')]);
      await started;
      await killAndRestart();
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED, output: '"end"' });
      expect(desk.waiting()).toEqual([]);
    });
  });

  row('timers', () => {
    it('fires a timer that came due while it was down, once', async () => {
      const started = desk.start();
      await desk.turn();
      const fireAt = timestampFromMs(Date.now() + 500);
      await desk.answer([{ id: 1, action: { case: 'createTimer', value: { fireAt } } }]);
      await started;
      await killAndRestart(() => sleep(600));
      expect(kinds((await desk.turn()).newEvents)).toEqual(['workflowStarted', 'timerFired']);
      await desk.answer([]);
      await desk.raise('e', '1');
      expect(kinds((await desk.turn()).newEvents)).toEqual(['workflowStarted', 'eventRaised']);
      await desk.answer([complete(2, '1')]);
    });
  });

  row('start', () => {
    it('honours a start time that came while it was down', async () => {
      const scheduledStartTimestamp = timestampFromMs(Date.now() + 700);
      await client.call('startInstance', { instanceId: desk.id, name: 'flow', scheduledStartTimestamp });
      await killAndRestart(() => sleep(800));
      expect(kinds((await desk.turn()).newEvents)).toEqual(['workflowStarted', 'executionStarted']);
      await desk.answer([complete(1, '1')]);
    });
  });

  row('streams', () => {
    it('ends the streams of workers when it is stopped', { timeout: 60_000 }, async () => {
      await subject.engine.stop();
      await expect.poll(() => worker.ended, patient).toBeDefined();
      await subject.engine.restart();
      expect(worker.ended instanceof Error ? 'with an error' : worker.ended).toEqual(
        subject.differing('end-of-streams', {
          embedded: 'cleanly',
          daprd: 'with an error',
        }),
      );
      await connect();
    });
  });

  row('wait-for', () => {
    it('tells those who wait when it is stopped', { timeout: 60_000 }, async () => {
      await startRunning();
      const waiting = outcome(client.call('waitForInstanceCompletion', { instanceId: desk.id }));
      // Answered after the other arrived.
      await client.call('hello', {});
      await subject.engine.stop();
      expect(await waiting).toEqual(
        subject.differing('waiting-at-shutdown', {
          embedded: { code: 14, details: 'the sidecar is shutting down' },
          daprd: { code: 1, details: 'context canceled' },
        }),
      );
      await subject.engine.restart();
      await connect();
    });
  });
});
