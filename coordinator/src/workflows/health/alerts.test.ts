import { expect, it } from 'vitest';
import { dueAlerts } from './alerts.ts';
import type { Targets } from './targets.ts';

const targets: Targets = { 'agent:a': { kind: 'agent', recent: 'xxx', isDown: true, problem: 'away' } };

it.each([
  ['long after the last one', 2_000, 1],
  ['within the quiet period', 1_500, 0],
  ['when the clock was set back before the last one', 500, 1],
])('an alert is due, or not, %s', (_when, now, count) => {
  expect(dueAlerts(targets, [], { agent: 1_000 }, { now, quietMs: 1_000 })).toHaveLength(count);
});
