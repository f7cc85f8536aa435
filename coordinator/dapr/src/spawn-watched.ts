import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';

/**
 * Becomes the program, and leaves a watcher beside it that kills it when standard input ends: the pipe to whoever started
 * it breaks with that process, also on `kill -9`. Programs that are not ours do not look after that themselves. As the
 * watcher stays in the process group of the program, no other process is given its id meanwhile.
 */
const watch = `
exec 3<&0
( trap '' TERM INT HUP; cat <&3; kill -KILL $$ ) >/dev/null 2>&1 &
exec 3<&-
exec "$@" </dev/null`;

/**
 * A command line that runs the program under its own process id and ends it with the process that started it. To be
 * spawned with a pipe as standard input, which has to be closed when the program has ended, and `detached`.
 */
export const watchedCommand = (command: string, args: readonly string[]): { command: string; args: string[] } => ({
  command: '/bin/sh',
  args: ['-c', watch, 'sh', command, ...args],
});

/** A program in a process group of its own, which does not outlive this process. */
export interface WatchedProcess {
  readonly child: ChildProcess;
  /** Resolves when the program is gone, with how it ended. */
  readonly exited: Promise<string>;
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface WatchedOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Standard output and error are appended to this file; without it they are pipes of `child`. */
  logPath?: string;
}

export function spawnWatched(command: string, args: readonly string[], options: WatchedOptions): WatchedProcess {
  const log = options.logPath === undefined ? 'pipe' : openSync(options.logPath, 'a', 0o600);
  const watched = watchedCommand(command, args);
  const child = spawn(watched.command, watched.args, {
    env: options.env,
    stdio: ['pipe', log, log],
    detached: true,
  });
  if (typeof log === 'number') closeSync(log);
  // Nothing is ever written; a pipe that breaks must not end this process.
  child.stdin?.on('error', () => {});
  const exited = new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => {
      // Ends the watcher.
      child.stdin?.destroy();
      resolve(signal ?? `exit code ${code}`);
    });
    child.on('error', (error) => resolve(error.message));
  });
  return { child, exited, signal: (signal) => void child.kill(signal) };
}
