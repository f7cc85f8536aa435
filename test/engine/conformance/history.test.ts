import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { register } from './program.ts';
import { COMPLETED, conformance, outcome, row } from './suite.ts';
import { decode } from './turns.ts';

conformance('history', { register }, (subject) => {
  const rerun = (sourceInstanceId: string, eventId: number, newInstanceId: string) =>
    outcome(subject.raw.call('rerunWorkflowFromEvent', { sourceInstanceId, eventId, newInstanceId }));

  row('list', () => {
    it('lists the ids of all instances, page by page', async () => {
      const ids = await Promise.all(Array.from({ length: 5 }, () => subject.run('chain', 1)));
      await Promise.all(ids.map((id) => subject.finish(id)));
      const listed: string[] = [];
      let continuationToken: string | undefined;
      do {
        const request = continuationToken === undefined ? { pageSize: 2 } : { pageSize: 2, continuationToken };
        const page = await subject.raw.call('listInstanceIDs', request);
        expect(page.instanceIds.length).toBeLessThanOrEqual(2);
        listed.push(...page.instanceIds);
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      expect(listed).toEqual(expect.arrayContaining(ids));
      expect(new Set(listed).size).toBe(listed.length);
    });

    it('shows the history of an instance', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      const { events } = await subject.raw.call('getInstanceHistory', { instanceId: id });
      const kinds = decode(events).map(({ event }) => event.case);
      expect(kinds.filter((kind) => kind !== 'workflowStarted' && kind !== undefined)).toEqual([
        'executionStarted',
        'taskScheduled',
        'taskCompleted',
        'taskScheduled',
        'taskCompleted',
        'taskScheduled',
        'taskCompleted',
        'executionCompleted',
      ]);
    });

    it('has no history of an unknown instance', async () => {
      const id = randomUUID();
      expect(await outcome(subject.raw.call('getInstanceHistory', { instanceId: id }))).toEqual({
        code: 5,
        details: `workflow instance '${id}' not found`,
      });
    });
  });

  row('rerun', () => {
    it('runs an instance again, as a new one, from an activity of its history', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      const again = randomUUID();
      expect(await rerun(id, 2, again)).toMatchObject({ newInstanceId: again });
      expect(await subject.finish(again)).toMatchObject({ status: COMPLETED, output: 4 });
    });

    it('refuses an instance that is not over', async () => {
      const id = await subject.run('collect', 1);
      expect(await rerun(id, 1, randomUUID())).toEqual({ code: 3, details: `'${id}' is not in a terminal state` });
    });

    it('refuses an unknown instance', async () => {
      const id = randomUUID();
      expect(await rerun(id, 1, randomUUID())).toEqual({
        code: 5,
        details: `workflow instance does not exist with ID '${id}'`,
      });
    });

    it('refuses an event that it cannot start from', async () => {
      const id = await subject.run('chain', 1);
      await subject.finish(id);
      expect(await rerun(id, 99, randomUUID())).toEqual({
        code: 5,
        details: "does not have history event with ID '99'",
      });
    });
  });
});
