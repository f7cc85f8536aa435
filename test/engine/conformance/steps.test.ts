import { describe, expect, it } from 'vitest';
import { register } from './program.ts';
import { COMPLETED, conformance, FAILED, repeatable, row, RUNNING } from './suite.ts';

conformance('steps', { register }, (subject) => {
  describe('a program', () => {
    it('runs a chain of activities', async () => {
      expect(await subject.finish(await subject.run('chain', 1))).toMatchObject({ status: COMPLETED, output: 4 });
    });

    it('fans out and in', async () => {
      const { output } = await subject.finish(await subject.run('fan-out', 20));
      expect(output).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    });

    it('fails with the error of its activity', async () => {
      const { status, state } = await subject.finish(await subject.run('failing'));
      expect(status).toBe(FAILED);
      expect(state.workflowFailureDetails?.getErrorMessage()).toContain('broken on purpose');
    });

    it('fails if its workflow is not registered', async () => {
      const { status, state } = await subject.finish(await subject.run('nobody'));
      expect(status).toBe(FAILED);
      expect(state.workflowFailureDetails?.getErrorMessage()).toContain("'nobody' does not exist");
    });
  });

  row('turn-begins', () => {
    it('shows a workflow the time of its turns, unchanged by replay', async () => {
      const { output } = await subject.finish(await subject.run('clock'));
      // The workflow returns the times of its turns; one that moved on replay would break their distance.
      const [first = 0, second = 0, third = 0] = output as number[];
      expect(second - first).toBeGreaterThanOrEqual(95);
      expect(third - second).toBeGreaterThanOrEqual(95);
      expect(Math.abs(Date.now() - third)).toBeLessThan(60_000);
    });
  });

  row('timers', () => {
    it('sleeps until a timer fires', async () => {
      const { output } = await subject.finish(await subject.run('timer', 0.5));
      expect(output).toBeGreaterThanOrEqual(490);
      expect(output).toBeLessThan(10_000);
    });

    it('does not sleep for a timer in the past', async () => {
      expect(await subject.finish(await subject.run('past-timer'))).toMatchObject({ output: 'fired' });
    });

    it('does not fire a timer of 60 days at once', async () => {
      const id = await subject.run('timer', 60 * 24 * 3600);
      await subject.finish(await subject.run('timer', 0.5));
      expect(await subject.status(id)).toBe(RUNNING);
    });
  });

  row('event-before-wait', () => {
    it('delivers events that came before they were waited for, whatever their case', async () => {
      const id = await subject.run('late-collect', 2);
      await subject.client.raiseEvent(id, 'ITEM', { n: 1 });
      await subject.client.raiseEvent(id, 'item', { n: 2 });
      expect(await subject.finish(id)).toMatchObject({ output: [{ n: 1 }, { n: 2 }] });
    });

    it('delivers events in the order in which they were raised', async () => {
      const id = await subject.run('collect', 30);
      for (let n = 0; n < 30; n += 1) await subject.client.raiseEvent(id, 'item', n + 1);
      expect((await subject.finish(id)).output).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
    });
  });

  row('equal-events', () => {
    it('delivers 100 equal events that were raised at the same time', repeatable, () =>
      subject.despiteCrashes(async () => {
        const id = await subject.run('collect', 100);
        await Promise.all(Array.from({ length: 100 }, () => subject.client.raiseEvent(id, 'item', { same: true })));
        expect((await subject.finish(id)).output).toHaveLength(100);
      }),
    );
  });

  row('custom-status', () => {
    it('shows the last one that was set', async () => {
      const id = await subject.run('statuses');
      const customStatus = async () => (await subject.client.getWorkflowState(id, true))?.customStatus;
      expect(await customStatus()).toBe('first');
      await subject.client.raiseEvent(id, 'item', 1);
      await expect.poll(customStatus).toBe('third');
      await subject.client.raiseEvent(id, 'item', 1);
      expect((await subject.finish(id)).state.customStatus).toBe('third');
    });

    it('is empty by default', async () => {
      const { state } = await subject.finish(await subject.run('chain', 1));
      expect(state.customStatus ?? '').toBe('');
    });
  });
});
