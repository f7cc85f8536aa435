import { expect } from 'vitest';
import { readStore, type Stores } from './read-store.ts';

/** What devices really did: read from the stores of their agents. */

/** A command that was applied, as its agent has stored it. */
export interface AppliedCommand {
  device_id: string;
  skill: string;
  command: string;
  effect_key: string;
  started_at: number;
  ended_at: number;
}

/** Every command an agent has applied, in order. */
export function appliedCommands(
  mesh: Stores,
  agent: 'device-light' | 'device-thermostat' | 'device-lock',
): AppliedCommand[] {
  const rows: unknown[] = readStore(mesh, agent, 'SELECT * FROM device_commands ORDER BY command_id');
  // The columns of the table.
  return rows as AppliedCommand[];
}

/** Every time a light was switched, in order. */
export const setLights = (mesh: Stores): AppliedCommand[] =>
  appliedCommands(mesh, 'device-light').filter(({ skill }) => skill === 'set-light');

/** How many commands were under way at one time, at most. */
export function mostAtOnce(commands: readonly AppliedCommand[]): number {
  const changes = commands.flatMap(({ started_at, ended_at }) => [
    { at: started_at, by: 1 },
    { at: ended_at, by: -1 },
  ]);
  // One that ends when another starts was over: the clock counts whole milliseconds.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let underWay = 0;
  return changes.reduce((most, { by }) => Math.max(most, (underWay += by)), 0);
}

/** Each of so many devices obeyed once, and never more than so many at a time. */
export function expectOnce(commands: readonly AppliedCommand[], count: number, limit: number): void {
  expect(commands).toHaveLength(count);
  expect(new Set(commands.map(({ device_id }) => device_id)).size).toBe(count);
  expect(mostAtOnce(commands)).toBeLessThanOrEqual(limit);
}
