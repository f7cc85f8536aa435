import { randomUUID } from 'node:crypto';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import { expect, it } from 'vitest';
import { register } from './program.ts';
import {
  COMPLETED,
  conformance,
  FAILED,
  outcome,
  patient,
  PENDING,
  repeatable,
  row,
  RUNNING,
  SUSPENDED,
  TERMINATED,
} from './suite.ts';

conformance('life cycle', { register }, (subject) => {
  row('raise-answers', () => {
    it('refuses an event for an unknown instance', async () => {
      expect(await outcome(subject.client.raiseEvent(randomUUID(), 'item', 1))).toEqual({
        code: 2,
        details: 'no such instance exists',
      });
    });

    it('drops an event for an instance that is over', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      expect(await outcome(subject.client.raiseEvent(id, 'item', 1))).toBeUndefined();
      expect(await subject.finish(id)).toMatchObject({ status: COMPLETED, output: 4 });
    });
  });

  row('terminate', () => {
    it('ends a running instance with the given output', async () => {
      const id = await subject.run('collect', 1);
      await subject.client.terminateWorkflow(id, { by: 'test' });
      expect(await subject.status(id)).toBe(TERMINATED);
      expect(await subject.finish(id)).toMatchObject({ status: TERMINATED, output: { by: 'test' } });
    });

    it('ends a suspended instance', async () => {
      const id = await subject.run('collect', 1);
      await subject.client.suspendWorkflow(id);
      await subject.client.terminateWorkflow(id, 'enough');
      expect(await subject.finish(id)).toMatchObject({ status: TERMINATED, output: 'enough' });
    });

    it('ends an instance before its start time', async () => {
      const id = await subject.client.scheduleNewWorkflow('chain', 1, randomUUID(), new Date(Date.now() + 3_600_000));
      await subject.client.terminateWorkflow(id, 'enough');
      expect(await subject.finish(id)).toMatchObject({ status: TERMINATED });
    });

    it('wins over an event raised just before it', async () => {
      const id = await subject.run('collect', 2);
      await Promise.all([subject.client.raiseEvent(id, 'item', 1), subject.client.terminateWorkflow(id, 'enough')]);
      expect(await subject.finish(id)).toMatchObject({ status: TERMINATED, output: 'enough' });
    });

    it('does not change an instance that is over', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      expect(await outcome(subject.client.terminateWorkflow(id, 'late'))).toBeUndefined();
      expect(await subject.finish(id)).toMatchObject({ status: COMPLETED, output: 4 });
    });

    it('is refused for an unknown instance', async () => {
      expect(await outcome(subject.client.terminateWorkflow(randomUUID(), 1))).toEqual({
        code: 2,
        details: 'failed to submit termination request: no such instance exists',
      });
    });
  });

  row('suspend', () => {
    it('shows the instance as suspended, keeps its events, and delivers them after resume', async () => {
      const id = await subject.run('collect', 2);
      await subject.client.suspendWorkflow(id);
      expect(await subject.status(id)).toBe(SUSPENDED);
      await subject.client.raiseEvent(id, 'item', 'first');
      await subject.client.raiseEvent(id, 'item', 'second');
      await subject.finish(await subject.run('chain', 1));
      expect(await subject.status(id)).toBe(SUSPENDED);
      await subject.client.resumeWorkflow(id);
      expect(await subject.finish(id)).toMatchObject({ status: COMPLETED, output: ['first', 'second'] });
    });

    it('takes a second suspend without an error', async () => {
      const id = await subject.run('collect', 1);
      await subject.client.suspendWorkflow(id);
      expect(await outcome(subject.client.suspendWorkflow(id))).toBeUndefined();
      expect(await subject.status(id)).toBe(SUSPENDED);
      await subject.client.terminateWorkflow(id, 'enough');
    });

    it('is refused for an unknown instance, as is resume', async () => {
      const unknown = { code: 2, details: 'no such instance exists' };
      expect(await outcome(subject.client.suspendWorkflow(randomUUID()))).toEqual(unknown);
      expect(await outcome(subject.client.resumeWorkflow(randomUUID()))).toEqual(unknown);
    });

    it('does not change an instance that is over', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      expect(await outcome(subject.client.suspendWorkflow(id))).toBeUndefined();
      expect(await outcome(subject.client.resumeWorkflow(id))).toBeUndefined();
      expect(await subject.status(id)).toBe(COMPLETED);
    });
  });

  row('child-fails', () => {
    it('lets a parent catch the failure of its child with the reason', async () => {
      const { status, output } = await subject.finish(await subject.run('parent-of', 'failing'));
      expect(status).toBe(COMPLETED);
      expect(output).toContain('broken on purpose');
    });

    it('tells a parent that its child was terminated', async () => {
      const id = await subject.run('parent-of', 'collect');
      await subject.client.waitForWorkflowStart(`${id}-child`);
      await subject.client.terminateWorkflow(`${id}-child`, 'stop');
      expect((await subject.finish(id)).output).toEqual(
        subject.differing('reason-of-terminated-child', {
          embedded: `${id}: Sub-orchestration task #1 failed: child workflow '${id}-child' was terminated`,
          daprd: `${id}: Sub-orchestration task #1 failed: undefined`,
        }),
      );
    });

    it('tells a parent that its child has no code', async () => {
      const { output } = await subject.finish(await subject.run('parent-of', 'nobody'));
      expect(output).toContain("'nobody' does not exist");
    });
  });

  row('recursive', () => {
    it('leaves the child of a terminated instance alone', async () => {
      const id = await subject.run('parent-of', 'collect');
      await subject.client.waitForWorkflowStart(`${id}-child`);
      await subject.client.terminateWorkflow(id, 'enough');
      expect(await subject.status(`${id}-child`)).toBe(RUNNING);
    });

    it('terminates and purges the whole tree if asked to', async () => {
      const id = await subject.run('grandparent');
      const tree = [id, `${id}-child`, `${id}-child-child`];
      for (const each of tree) await subject.client.waitForWorkflowStart(each);
      await subject.raw.call('terminateInstance', { instanceId: id, recursive: true });
      for (const each of tree) expect(await subject.finish(each)).toMatchObject({ status: TERMINATED });
      const request = { case: 'instanceId', value: id } as const;
      const purged = await subject.raw.call('purgeInstances', { request, recursive: true });
      expect(purged.deletedInstanceCount).toBe(3);
      expect(purged.isComplete).toEqual(subject.differing('purge-is-complete', { embedded: true, daprd: undefined }));
      for (const each of tree) expect(await subject.status(each)).toBeUndefined();
    });

    it('leaves the child of a purged instance alone', async () => {
      const id = await subject.run('parent-of', 'chain');
      await subject.finish(id);
      expect(await subject.client.purgeWorkflow(id)).toBe(true);
      expect(await subject.status(`${id}-child`)).toBe(COMPLETED);
    });
  });

  row('id-reuse', () => {
    it('refuses the id of an active instance', async () => {
      const id = await subject.run('collect', 1);
      expect(await outcome(subject.run('chain', 1, id))).toEqual({
        code: 6,
        details:
          'failed to create workflow instance: rpc error: code = AlreadyExists desc = ' +
          `an active workflow with ID '${id}' already exists`,
      });
    });

    it('starts afresh with the id of one that is over', async () => {
      const id = await subject.run('collect', 1);
      await subject.client.raiseEvent(id, 'item', 'old');
      await subject.finish(id);
      await subject.run('chain', 5, id);
      const { status, output, state } = await subject.finish(id);
      expect({ status, output, name: state.name, customStatus: state.customStatus ?? '' }).toEqual({
        status: COMPLETED,
        output: 8,
        name: 'chain',
        customStatus: '',
      });
    });
  });

  row('child-id-taken', () => {
    it('tells a parent that the id of its child is taken', async () => {
      const id = randomUUID();
      await subject.run('collect', 1, `${id}-child`);
      await subject.run('parent-of', 'chain', id);
      expect((await subject.finish(id)).output).toContain('already exists');
      expect(await subject.status(`${id}-child`)).toBe(RUNNING);
    });

    it('fails a child whose id is that of a living child of the generation before', async () => {
      const id = await subject.run('family-by-default-ids', 1);
      await subject.client.waitForWorkflowStart(`${id}:0001`);
      await subject.client.raiseEvent(id, 'again', 1);
      const ended = subject.finish(id, subject.backEnd === 'daprd' ? 3 : 25);
      const seen = await ended.then(
        ({ output }) => output,
        () => 'nothing',
      );
      expect(seen).toEqual(
        subject.differing('child-id-of-former-generation', {
          embedded: expect.stringContaining('already exists'),
          daprd: 'nothing',
        }),
      );
    });
  });

  row('child-order', () => {
    it('gives a parent the result of its child, which is over by then', async () => {
      const id = await subject.run('parent', 1);
      expect(await subject.finish(id)).toMatchObject({ status: COMPLETED, output: { result: 4 } });
      expect(await subject.finish(`${id}:0001`)).toMatchObject({ status: COMPLETED, output: 4 });
    });
  });

  row('recreate-with-children', () => {
    it('refuses the id while a child of its former owner lives', async () => {
      const id = await subject.run('parent-of', 'collect');
      await subject.client.waitForWorkflowStart(`${id}-child`);
      await subject.client.terminateWorkflow(id, 'enough');
      expect(await outcome(subject.run('chain', 1, id))).toEqual({
        code: 6,
        details:
          `failed to create workflow instance: rpc error: code = AlreadyExists desc = cannot recreate workflow with ID ` +
          `'${id}': child workflow '${id}-child': orchestration has not yet completed`,
      });
      await subject.client.terminateWorkflow(`${id}-child`, 'enough');
      await subject.run('chain', 1, id);
      expect(await subject.finish(id)).toMatchObject({ output: 4 });
    });
  });

  row('continue-as-new', () => {
    it('runs one generation after the other', async () => {
      expect(await subject.finish(await subject.run('counter', 1))).toMatchObject({ status: COMPLETED, output: 8 });
    });

    it('runs 50 generations that do next to nothing', async () => {
      expect(await subject.finish(await subject.run('tight-loop', 1))).toMatchObject({ output: 50 });
    });

    it('tells the parent of the first generation how the last one ended', async () => {
      expect(await subject.finish(await subject.run('parent-of-counter'))).toMatchObject({ output: 8 });
    });

    it('loses no event between generations, and doubles none', repeatable, () =>
      subject.despiteCrashes(async () => {
        const numbers = Array.from({ length: 60 }, (_, n) => n);
        const id = await subject.run('generations', { seen: [], until: numbers.length });
        for (let n = 0; n < numbers.length; n += 10) {
          await Promise.all(numbers.slice(n, n + 10).map((each) => subject.client.raiseEvent(id, 'n', { n: each })));
        }
        const { output } = await subject.finish(id);
        // The workflow returns what it saw.
        expect((output as number[]).toSorted((a, b) => a - b)).toEqual(numbers);
      }),
    );
  });

  row('timer-fired', () => {
    it('does not take the timer of an earlier generation for one of this', async () => {
      const { output } = await subject.finish(await subject.run('stale-timer', 1));
      expect(output).toBeGreaterThanOrEqual(950);
    });
  });

  row('start', () => {
    it('answers at once if a start time is given, and starts then', async () => {
      const startAt = new Date(Date.now() + 700);
      const id = await subject.client.scheduleNewWorkflow('chain', 1, randomUUID(), startAt);
      expect(await subject.status(id)).toBe(PENDING);
      const { state } = await subject.finish(id);
      expect(Number(state.lastUpdatedAt)).toBeGreaterThanOrEqual(startAt.getTime());
    });
  });

  row('get', () => {
    it('knows nothing of an unknown instance', async () => {
      expect(await subject.client.getWorkflowState(randomUUID(), true)).toBeUndefined();
    });

    it('shows payloads only when asked for them', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      const bare = await subject.client.getWorkflowState(id, false);
      const full = await subject.client.getWorkflowState(id, true);
      expect(bare).toMatchObject({ name: 'chain', instanceId: id, runtimeStatus: COMPLETED });
      expect(bare?.serializedInput ?? '').toBe('');
      expect(bare?.serializedOutput ?? '').toBe('');
      expect(full).toMatchObject({ serializedInput: '1', serializedOutput: '4' });
    });
  });

  row('wait-for', () => {
    it('answers many who wait when it happens, and lets some of them give up', async () => {
      const id = await subject.run('collect', 1);
      const givingUp = new AbortController();
      const waiting = Array.from({ length: 40 }, (_, n) =>
        outcome(
          subject.raw.call('waitForInstanceCompletion', { instanceId: id }, n % 2 === 0 ? givingUp.signal : undefined),
        ),
      );
      givingUp.abort();
      await subject.client.raiseEvent(id, 'item', 1);
      const seen = await Promise.all(waiting);
      expect(seen.filter((_, n) => n % 2 === 0)).toEqual(Array(20).fill(expect.objectContaining({ code: 1 })));
      expect(seen.filter((_, n) => n % 2 === 1)).toEqual(Array(20).fill(expect.objectContaining({ exists: true })));
    });

    it('waits for an instance that does not exist yet', async () => {
      const id = randomUUID();
      const waiting = subject.raw.call('waitForInstanceCompletion', { instanceId: id });
      const seen = outcome(waiting);
      await subject.run('chain', 1, id);
      expect(await seen).toMatchObject({ exists: true });
    });
  });

  row('purge', () => {
    it('refuses what is not over', async () => {
      const id = await subject.run('collect', 1);
      expect(await outcome(subject.client.purgeWorkflow(id))).toEqual({
        code: 2,
        details: 'failed to purge workflow state: orchestration has not yet completed',
      });
    });

    it('refuses what does not exist', async () => {
      expect(await outcome(subject.client.purgeWorkflow(randomUUID()))).toEqual({
        code: 2,
        details: 'failed to purge workflow state: no such instance exists',
      });
    });

    it('deletes what is over', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      expect(await subject.client.purgeWorkflow(id)).toBe(true);
      expect(await subject.client.getWorkflowState(id, true)).toBeUndefined();
    });

    it('deletes what a filter chooses', async () => {
      const id = await subject.run('chain', 1);
      const { state } = await subject.finish(id);
      const createdTimeFrom = timestampFromDate(state.createdAt);
      const request = {
        case: 'purgeInstanceFilter' as const,
        value: { createdTimeFrom, runtimeStatus: [WorkflowStatus.COMPLETED] },
      };
      const purged = await outcome(subject.raw.call('purgeInstances', { request }));
      expect([purged, await subject.status(id)]).toEqual(
        subject.differing('purge-by-filter', {
          embedded: [expect.objectContaining({ deletedInstanceCount: 1 }), undefined],
          daprd: [{ code: 2, details: 'multi-instance purge is not unimplemented' }, COMPLETED],
        }),
      );
    });
  });

  row('statuses', () => {
    it('shows what an instance went through', async () => {
      const id = await subject.client.scheduleNewWorkflow('collect', 2, randomUUID(), new Date(Date.now() + 300));
      expect(await subject.status(id)).toBe(PENDING);
      await expect.poll(() => subject.status(id), patient).toBe(RUNNING);
      await subject.client.suspendWorkflow(id);
      expect(await subject.status(id)).toBe(SUSPENDED);
      await subject.client.resumeWorkflow(id);
      expect(await subject.status(id)).toBe(RUNNING);
      await subject.client.raiseEvent(id, 'item', 1);
      await subject.client.raiseEvent(id, 'item', 1);
      expect((await subject.finish(id)).status).toBe(COMPLETED);
      expect((await subject.finish(await subject.run('failing'))).status).toBe(FAILED);
    });
  });
});
