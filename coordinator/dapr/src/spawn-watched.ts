import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';

/**
 * Runs the program until it ends, and kills it when standard input does: the pipe to whoever started it breaks with that
 * process, also on `kill -9`. Programs that are not ours do not look after that themselves.
 */
const watch = `
exec 3<&0
"$@" </dev/null 3<&- & program=$!
trap 'kill -TERM $program' TERM
( trap '' TERM; cat <&3 >/dev/null 2>&1; kill -KILL $program 2>/dev/null ) >/dev/null 2>&1 & watcher=$!
exec 3<&-
wait $program; code=$?
while kill -0 $program 2>/dev/null; do wait $program; code=$?; done
kill -KILL $watcher 2>/dev/null
exit $code`;

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
  const child = spawn('/bin/sh', ['-c', watch, 'sh', command, ...args], {
    env: options.env,
    stdio: ['pipe', log, log],
    detached: true,
  });
  if (typeof log === 'number') closeSync(log);
  // Nothing is ever written; a pipe that breaks must not end this process.
  child.stdin?.on('error', () => {});
  const exited = new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.on('error', (error) => resolve(error.message));
  });
  return {
    child,
    exited,
    signal: (signal) => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      // To the whole group: the shell alone would leave the program behind.
      process.kill(-child.pid, signal);
    },
  };
}
