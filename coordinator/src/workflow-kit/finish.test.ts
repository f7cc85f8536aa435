import { MeshError } from '@daca-mesh/protocol';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const storing = defineWorkflow({
  name: 'storing',
  version: 1,
  description: 'does something that can be undone',
  input: z.object({ steps: z.boolean() }),
  output: z.unknown(),
  async *run(mesh, { steps }) {
    if (!steps) return {};
    yield* mesh.call(
      { agent: 'keeper', skill: 'store' },
      {},
      { undo: { target: { agent: 'keeper', skill: 'delete' }, input: () => ({}) } },
    );
    return {};
  },
});

const tooLarge = new MeshError('PAYLOAD_TOO_LARGE', 'the output is too large');
const busy = new MeshError('UNAVAILABLE', 'the disk is full', { retryable: true });

it.each([
  ['refused for good', tooLarge, false],
  ['refused again and again', busy, false],
  ['refused for good, after steps', tooLarge, true],
])('a run whose end is %s fails with the reason, and is undone', async (_, error, steps) => {
  const { engine, activities } = startRun(storing, { steps }, {}, { fresh: true });
  const finish = activities.finish.bind(activities);
  const refused = vi.spyOn(activities, 'finish').mockImplementation(async (input) => {
    if (input.end.status === 'completed') throw error;
    return finish(input);
  });
  await engine.settle();
  const failure = { code: error.code, message: error.message };
  expect(activities.end).toMatchObject({ status: 'failed', failure, undone: steps ? ['store at 0'] : [] });
  expect(activities.sent.map(({ target }) => target.skill)).toEqual(steps ? ['store', 'delete'] : []);
  expect(refused.mock.calls.at(-1)?.[0].token).toBe(steps ? undefined : activities.token);
  expect(engine.status).toBe('failed');
});

it('a run whose end cannot be stored in any way fails its instance', async () => {
  const { engine, activities } = startRun(storing, { steps: false }, {}, { fresh: true });
  vi.spyOn(activities, 'finish').mockRejectedValue(tooLarge);
  await engine.settle();
  expect(engine.status).toBe('failed');
  expect(engine.failure?.message).toContain(tooLarge.message);
});
