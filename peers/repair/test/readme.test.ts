import { runReadmeCurl } from '@daca-mesh/protocol/testing';
import { expect, it } from 'vitest';
import { start } from './start.ts';

it('the curl of the README works', async () => {
  const reply = await runReadmeCurl(new URL('../README.md', import.meta.url), (dataDir) => start({ dataDir }));
  expect(reply).toMatchObject({
    task: {
      status: {
        state: 'TASK_STATE_INPUT_REQUIRED',
        message: {
          parts: [{}, { data: { arguments: { arguments: { deviceId: 'light-1', action: 'recalibrate' } } } }],
        },
      },
    },
  });
});
