import { randomUUID } from 'node:crypto';
import { WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import { expect, it } from 'vitest';
import { conformance, patient, row } from './suite.ts';
import { Desk, schedule } from './turns.ts';

/** On an engine of its own: daprd does not live to see another test. */
conformance('a worker that answers nonsense', {}, (subject) => {
  row('actions', () => {
    it('fails an instance whose answer has an empty action', async () => {
      const worker = subject.raw.worker();
      const desk = new Desk(randomUUID(), subject.raw, () => [worker]);
      void desk.start();
      await desk.turn();
      await desk.answer([schedule(1), { id: 2 }]).catch(() => {});
      const consequence = async () => {
        if (worker.ended !== undefined) return 'the engine is gone';
        return (await desk.state())?.workflowStatus;
      };
      await expect.poll(consequence, patient).not.toBe(WorkflowStatus.PENDING);
      expect(await consequence()).toEqual(
        subject.differing('empty-action', {
          embedded: WorkflowStatus.FAILED,
          daprd: 'the engine is gone',
        }),
      );
    });
  });
});
