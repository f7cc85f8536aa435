import { expect, it } from 'vitest';
import { expectNothingLost, seedOf } from './random-kills.ts';
import { isDaprWanted, startOnDapr } from './dapr.ts';

/** The same on Dapr, whose programs are among the victims. The scheduler is a rare one: each time all stands still for 25 s. */

const kills = Number(process.env['MESH_TEST_DAPR_KILLS'] ?? 20);
const seed = seedOf(process.env);

it.skipIf(!isDaprWanted())(
  `loses and repeats nothing on Dapr over ${kills} random kills (seed ${seed})`,
  { timeout: 600_000 },
  async () => {
    const moderators = ['moderator-toxicity', 'moderator-spam', 'moderator-violence'];
    const often = ['coordinator', 'coordinator', 'coordinator', 'daprd', 'daprd', 'daprd', 'placement', 'placement'];
    const victims = [...often, 'scheduler', 'records', ...moderators];
    await using mesh = await startOnDapr(['records', ...moderators], { MESH_SKILL_DELAY: '120' });
    const killed = await expectNothingLost(mesh, { victims, kills, seed, withinMs: 300_000 });
    expect(killed).toHaveLength(kills);
  },
);
