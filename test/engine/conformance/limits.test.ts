import { randomUUID } from 'node:crypto';
import { WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import { expect, it } from 'vitest';
import { register } from './program.ts';
import { conformance, outcome, patient, row } from './suite.ts';

const MEBIBYTE = 1024 * 1024;

conformance('limits', { register }, (subject) => {
  row('message-size', () => {
    const tooLarge = {
      code: 8,
      details: expect.stringMatching(/received message larger than max \(\d+ vs\. 4194304\)/),
    };

    it('refuses an input of 5 MiB', async () => {
      const id = randomUUID();
      expect(await outcome(subject.run('chain', 'x'.repeat(5 * MEBIBYTE), id))).toEqual(tooLarge);
      expect(await subject.status(id)).toBeUndefined();
    });

    it('refuses an event of 5 MiB', async () => {
      const id = await subject.run('collect', 1);
      expect(await outcome(subject.client.raiseEvent(id, 'item', 'x'.repeat(5 * MEBIBYTE)))).toEqual(tooLarge);
    });

    it('takes a result of 3 MiB', async () => {
      const { output } = await subject.finish(await subject.run('large-result', { bytes: 3 * MEBIBYTE }));
      expect(output).toBe(3 * MEBIBYTE);
    });

    it('fails an activity with a result of 5 MiB', async () => {
      const id = await subject.run('large-result', { bytes: 5 * MEBIBYTE });
      const isDaprd = subject.backEnd === 'daprd';
      const ended = await subject.finish(id, isDaprd ? 3 : 25).then(
        ({ state }) => state.workflowFailureDetails?.getErrorMessage(),
        () => 'never',
      );
      expect(ended).toEqual(
        subject.differing('oversize-result', {
          embedded: expect.stringContaining('larger than'),
          daprd: 'never',
        }),
      );
    });

    it('stalls an instance whose history does not fit a message', async () => {
      const id = randomUUID();
      const started = subject.run('hoard', { count: 3, bytes: 1.8 * MEBIBYTE }, id);
      started.catch(() => {});
      const status = async () =>
        (await subject.raw.call('getInstance', { instanceId: id })).workflowState?.workflowStatus;
      await expect.poll(status, patient).toBe(WorkflowStatus.STALLED);
    });
  });
});
