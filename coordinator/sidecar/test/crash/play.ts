import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KillPoint } from '../../src/kill-point.ts';
import { EffectAudit } from './effect-audit.ts';

/** When a process is to die: at a named point, or some time after it was started or began to work. */
type Kill =
  | { readonly point: KillPoint; readonly n: number }
  | { readonly from: 'start' | 'running'; readonly afterMs: number };

export interface Played {
  /** What became of each workflow. */
  readonly outcome: unknown;
  readonly effects: readonly string[];
  readonly unfinished: unknown;
  readonly kills: number;
}

/** Says how the next process dies, and hears whether it did. */
export interface Executioner {
  next(): Kill | undefined;
  killed(kill: Kill): void;
}

type Line = (line: string) => void;

/** Plays the workload in processes that hold engine, worker and client. */
export async function playTogether(folder: string, executioner: Executioner): Promise<Played> {
  const audit = new EffectAudit(folder);
  let kills = 0;
  for (;;) {
    const kill = executioner.next();
    let outcome: unknown;
    const died = await runUntilKilled('program.ts', [folder], folder, kill, (line) => {
      if (line !== 'running') outcome = JSON.parse(line);
    });
    audit.afterKill();
    if (outcome !== undefined) return { outcome, effects: audit.keys(), unfinished: audit.unfinished(), kills };
    if (!died || kill === undefined) throw new Error('the program ended without an outcome');
    kills += 1;
    executioner.killed(kill);
  }
}

/** Plays the workload with the engine in a process of its own; only that is killed, and the worker lives on. */
export async function playApart(folder: string, executioner: Executioner): Promise<Played> {
  const audit = new EffectAudit(folder);
  const worker = spawnScript('worker-process.ts', [folder]);
  // What it is told while it ends does not matter.
  worker.stdin?.on('error', () => {});
  /** `stop` ends the engine, `isDown` is resolved when the worker knows that it is gone. */
  const state: { outcome: unknown; stop: () => void; isDown: PromiseWithResolvers<void> } = {
    outcome: undefined,
    stop: (): void => {},
    isDown: Promise.withResolvers<void>(),
  };
  onLines(worker, (line) => {
    if (line === 'down') {
      state.isDown.resolve();
      return;
    }
    state.outcome = JSON.parse(line);
    state.stop();
  });
  const workerExit = once(worker, 'exit').then(() => {
    state.isDown.resolve();
    state.stop();
  });
  let kills = 0;
  let port = '0';
  try {
    while (state.outcome === undefined) {
      if (worker.exitCode !== null) throw new Error(`the worker ended with ${worker.exitCode}`);
      const kill = executioner.next();
      const args = [folder, port];
      const died = await runUntilKilled(
        'engine-process.ts',
        args,
        folder,
        kill,
        (line) => {
          port = line;
          worker.stdin?.write(`${line}\n`);
        },
        (stop) => {
          state.stop = stop;
          if (state.outcome !== undefined) stop();
        },
      );
      state.isDown = Promise.withResolvers();
      worker.stdin?.write('down\n');
      if (worker.exitCode === null) await state.isDown.promise;
      audit.afterKill();
      if (!died || kill === undefined) continue;
      kills += 1;
      executioner.killed(kill);
    }
    await workerExit;
    return { outcome: state.outcome, effects: audit.keys(), unfinished: audit.unfinished(), kills };
  } finally {
    worker.kill('SIGKILL');
  }
}

/**
 * Runs a script until it ends or dies; whether it died as `kill` says. `onStarted` is given the means to end it at once,
 * which does not count as dying.
 */
async function runUntilKilled(
  script: string,
  args: readonly string[],
  folder: string,
  kill: Kill | undefined,
  onLine: Line,
  onStarted?: (stop: () => void) => void,
): Promise<boolean> {
  const marker = join(folder, 'killed-at');
  rmSync(marker, { force: true });
  const named = kill !== undefined && 'point' in kill ? [`${kill.point}:${kill.n}`] : [];
  const child = spawnScript(script, [...args, ...named]);
  let stopped = false;
  const exit = once(child, 'exit');
  const running = Promise.withResolvers<void>();
  onLines(child, (line) => {
    running.resolve();
    onLine(line);
  });
  onStarted?.(() => {
    stopped = true;
    child.kill('SIGKILL');
  });
  const end = async (): Promise<unknown> => {
    if (kill !== undefined && 'from' in kill) {
      if (kill.from === 'running') await Promise.race([exit, running.promise]);
      await Promise.race([exit, sleep(kill.afterMs)]);
      child.kill('SIGKILL');
    }
    const [code]: unknown[] = await exit;
    return code;
  };
  const patience = new AbortController();
  const code = await Promise.race([end(), giveUp(child, patience.signal)]);
  patience.abort();
  await closed(child);
  if (existsSync(marker)) return true;
  if (code !== null && code !== 0) throw new Error(`${script} ended with ${JSON.stringify(code)}`);
  return code === null && !stopped;
}

const LIFE_LIMIT_MS = 30_000;

async function giveUp(child: ChildProcess, signal: AbortSignal): Promise<never> {
  await sleep(LIFE_LIMIT_MS, undefined, { signal }).catch(() => new Promise<never>(() => {}));
  child.kill('SIGKILL');
  throw new Error('nothing came to an end: something was lost');
}

async function closed(child: ChildProcess): Promise<void> {
  if (child.stdout !== null && !child.stdout.closed) await once(child.stdout, 'close');
}

function onLines(child: ChildProcess, onLine: Line): void {
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine);
}

function spawnScript(script: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, script), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}
