import { runReadmeCurl } from '@daca-mesh/protocol/testing';
import { expect, it } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

it('the curl of the README works', async () => {
  const reply = await runReadmeCurl(new URL('../README.md', import.meta.url), (dataDir) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', MESH_DATA: dataDir });
    return createServer(config, createLogger(config));
  });
  expect(reply).toMatchObject({
    task: {
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [
        {
          name: 'collect-data',
          parts: [{ data: { sources: [{ uri: 'file:regions.csv' }, { uri: 'table:orders' }], problems: [] } }, {}],
        },
      ],
    },
  });
});
