import { expect, it } from 'vitest';
import { Mesh } from './mesh.ts';
import { expectNothingLost, seedOf } from './random-kills.ts';

/** Random processes die at random moments while runs are under way. `MESH_TEST_SEED` repeats a sequence of choices. */

const kills = Number(process.env['MESH_TEST_KILLS'] ?? 20);
const seed = seedOf(process.env);

it(`loses and repeats nothing over ${kills} random kills (seed ${seed})`, { timeout: 300_000 }, async () => {
  const peers = ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'];
  const victims = ['coordinator', 'coordinator', 'coordinator', 'records', ...peers.slice(0, 3)];
  await using mesh = await Mesh.start({
    peers,
    env: Object.fromEntries(peers.map((name) => [name, { MESH_SKILL_DELAY: '120' }])),
  });
  const killed = await expectNothingLost(mesh, { victims, kills, seed, withinMs: 120_000 });
  expect(killed).toHaveLength(kills);
});
