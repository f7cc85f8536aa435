import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

interface Armed {
  readonly name: string;
  remaining: number;
  readonly markerPath: string;
}

let armed: Armed | undefined;

/** Which named point kills this process, for crash tests: `<name>` or `<name>:<n>` for the n-th time it is reached. */
export interface KillPointOptions {
  at: string | undefined;
  /** Holds the marker that lets a point fire once, so that the restarted process goes on. */
  dataPath: string;
}

/** Arms the named point; a data folder in which it has fired before stays unharmed. */
export function configureKillPoint({ at, dataPath }: KillPointOptions): void {
  armed = undefined;
  if (!at) return;
  const [name = '', count = '1'] = at.split(':');
  const markerPath = join(dataPath, `killed-at-${name}`);
  mkdirSync(dataPath, { recursive: true });
  if (!existsSync(markerPath)) armed = { name, remaining: Number(count), markerPath };
}

/** Whether this process was armed for a point: where finding out that it is reached costs something. */
export const isKillPointArmed = (name: string): boolean => armed?.name === name;

/**
 * Kills this process (SIGKILL) if it was armed for this point; a crash test names the point it must survive. The task
 * core has `task-created`, `answer-stored`, `effect-intent`, `effect-done`, `effect-stored` and `before-complete`.
 */
export function killPoint(name: string): void {
  if (armed?.name !== name) return;
  armed.remaining -= 1;
  if (armed.remaining > 0) return;
  const marker = openSync(armed.markerPath, 'w');
  fsyncSync(marker);
  closeSync(marker);
  process.kill(process.pid, 'SIGKILL');
}
