import { runReadmeCurl } from '@daca-mesh/protocol/testing';
import { expect, it } from 'vitest';
import { start } from './start.ts';

it('the curl of the README works', async () => {
  const reply = await runReadmeCurl(new URL('../README.md', import.meta.url), (dataDir) => start({ dataDir }));
  expect(reply).toMatchObject({
    task: {
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [
        {
          parts: [
            {
              data: {
                hypotheses: expect.arrayContaining([expect.objectContaining({ condition: 'Pneumonia' })]),
                model: 'offline',
              },
            },
            {},
          ],
        },
      ],
    },
  });
});
