import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { CallRow } from '../store/schema.ts';
import type { StoreDeps } from '../runs/unit-deps.ts';

/** What looking after calls needs. */
export interface WatcherDeps extends StoreDeps {
  directory: Directory;
  logger: Logger;
  /** The schema of what a skill returns, where it is known: a reply that does not fit fails the call. */
  outputSchema: (skill: string) => z.ZodType | undefined;
  settings: WatcherSettings;
  /** Told of each call that became open, after the commit. */
  onOpen?: (row: CallRow) => void;
}

/** Which ways of following open calls are used, and the coordinator's name in questions. */
export interface WatcherSettings {
  /** Follows calls of runs that someone watches by streams; true by default. */
  streams: boolean;
  /** Asks peers for the state of open calls; true by default. */
  polling: boolean;
  /** How long a peer may wait for a fast result before it answers a send. */
  lingerMs: number;
  /** The coordinator's own name in the path of a question. */
  name: string;
}
