import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What devices really did: read from the stores of their agents, beside the running processes. */

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
  mesh: { dataOf(name: string): string },
  agent: 'device-light' | 'device-thermostat' | 'device-lock',
): AppliedCommand[] {
  using store = new DatabaseSync(join(mesh.dataOf(agent), 'store.db'), { readOnly: true });
  // The columns of the table.
  return store.prepare('SELECT * FROM device_commands ORDER BY command_id').all() as unknown[] as AppliedCommand[];
}

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
