import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowActivityContext, WorkflowContext, WorkflowRuntime } from '@dapr/dapr';
import { expect, it } from 'vitest';
import { COMPLETED, conformance, row, RUNNING } from './suite.ts';

const WIDTH = 150;
/** What the SDK executes at a time and queues beyond that; it drops the rest. */
const SURVIVED = 110;
let done = 0;

function register(runtime: WorkflowRuntime): void {
  done = 0;
  runtime.registerActivityWithName('second', async (_context: WorkflowActivityContext, value: number) => {
    await sleep(1000);
    done += 1;
    return value;
  });
  runtime.registerWorkflowWithName('wide', async function* (context: WorkflowContext): AsyncGenerator<
    unknown,
    unknown,
    number[]
  > {
    const tasks = Array.from({ length: WIDTH }, (_, index) => context.callActivity('second', index + 1));
    return (yield context.whenAll(tasks)).length;
  });
}

conformance('wide fan-outs', { register }, (subject) => {
  row('flow-control', () => {
    it(`completes ${WIDTH} activities of a second each with an SDK as it comes`, { timeout: 60_000 }, async () => {
      const id = await subject.run('wide');
      const expected = subject.backEnd === 'embedded' ? WIDTH : SURVIVED;
      await expect.poll(() => done, { timeout: 50_000, interval: 50 }).toBe(expected);
      // Time for twenty more, or for the last turn.
      await sleep(2500);
      expect([done, await subject.status(id)]).toEqual(
        subject.differing('dropped-work', {
          embedded: [WIDTH, COMPLETED],
          daprd: [SURVIVED, RUNNING],
        }),
      );
    });
  });
});
