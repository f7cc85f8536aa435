import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fromBinary } from '@bufbuild/protobuf';
import { HistoryEventSchema } from '../../src/gen/durable_task_pb.ts';
import { startSidecar } from '../../src/index.ts';
import { RawClient } from '../raw-client.ts';
import { temporaryFolder } from '../world.ts';

const instanceId = 'run-1';

it('an event that arrives while a turn has lost its worker is in the turn after that, without any further wake', async () => {
  using folder = temporaryFolder();
  await using sidecar = await startSidecar({ path: join(folder.path, 'engine.db') });
  using client = new RawClient(sidecar.address);
  const lost = client.worker();
  const started = client.call('startInstance', { instanceId, name: 'flow' });
  await lost.nextTurn();
  lost.disconnect();
  await expect.poll(() => lost.ended, { timeout: 20_000 }).toBeDefined();
  // The engine sees the end of the stream a little later; a request on the same connection comes after it.
  await client.call('getInstance', { instanceId });
  await client.call('raiseEvent', { instanceId, name: 'meanwhile' });
  const worker = client.worker();
  expect((await worker.nextTurn()).newEvents).toHaveLength(2);
  await client.call('completeOrchestratorTask', { instanceId, actions: [] });
  await started;
  const { newEvents } = await worker.nextTurn();
  expect(newEvents.map((event) => fromBinary(HistoryEventSchema, event).event.case)).toEqual([
    'workflowStarted',
    'eventRaised',
  ]);
});
