import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeDaprPorts } from './ports.ts';
import { daprProcesses, type DaprOptions, type DaprPorts, type DaprProcess } from './processes.ts';
import { spawnWatched, type WatchedProcess } from './spawn-watched.ts';

export interface RunningProcess {
  readonly name: DaprProcess['name'];
  readonly logPath: string;
  /** How it ended, if it did so by itself since it was started. */
  readonly crash: string | undefined;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
  /** An orderly end, which becomes a kill after 10 s. */
  stop(): Promise<void>;
  /** Starts it (again); resolves when it is healthy. */
  start(): Promise<void>;
}

/** Dapr on this machine. `await using` stops it. */
export interface RunningDapr extends AsyncDisposable {
  readonly ports: DaprPorts;
  /** `host:port` of daprd's gRPC API. */
  readonly address: string;
  readonly httpUrl: string;
  readonly daprd: RunningProcess;
  readonly scheduler: RunningProcess;
  readonly placement: RunningProcess;
  close(): Promise<void>;
}

const healthyWithinMs = 60_000;
const stopWithinMs = 10_000;

/** Starts placement, scheduler and daprd, on free ports unless some are given, and waits until they are healthy. */
export async function startDapr(
  options: Omit<DaprOptions, 'ports'> & {
    ports?: DaprPorts;
    environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<RunningDapr> {
  const ports = options.ports ?? (await freeDaprPorts());
  const [placement, scheduler, daprd] = daprProcesses({ ...options, ports }).map((process) =>
    manage(process, join(options.folder, `${process.name}.jsonl`), options.environment),
  );
  if (!placement || !scheduler || !daprd) throw new TypeError('Dapr has three programs');
  const close = async (): Promise<void> => {
    // daprd first: without the others it would wait for them before it ends.
    await daprd.stop();
    await Promise.all([scheduler.stop(), placement.stop()]);
  };
  try {
    await Promise.all([placement.start(), scheduler.start()]);
    await daprd.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ports,
    address: `127.0.0.1:${ports.daprdGrpc}`,
    httpUrl: `http://127.0.0.1:${ports.daprdHttp}`,
    daprd,
    scheduler,
    placement,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function manage(
  { name, command, args, env, healthUrl }: DaprProcess,
  logPath: string,
  environment: Readonly<Record<string, string | undefined>>,
): RunningProcess {
  let running: WatchedProcess | undefined;
  let crash: string | undefined;
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = running;
    if (!ending) return;
    running = undefined;
    ending.signal(signal);
    const timer = setTimeout(() => ending.signal('SIGKILL'), stopWithinMs);
    await ending.exited;
    clearTimeout(timer);
  };
  return {
    name,
    logPath,
    get crash() {
      return crash;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start: async () => {
      if (running) throw new Error(`${name} runs already`);
      crash = undefined;
      const started = spawnWatched(command, args, { env: { ...environment, ...env }, logPath });
      running = started;
      void started.exited.then((how) => {
        if (running !== started) return;
        running = undefined;
        crash = how;
      });
      await untilHealthy(healthUrl, started, () => `${name} did not start; its log ends with:\n${tail(logPath)}`);
    },
  };
}

async function untilHealthy(url: string, { exited }: WatchedProcess, describe: () => string): Promise<void> {
  let isOver = false;
  void exited.then(() => (isOver = true));
  const deadline = Date.now() + healthyWithinMs;
  while (!(await isHealthy(url))) {
    if (isOver || Date.now() > deadline) throw new Error(describe());
    await sleep(50);
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

const tail = (path: string): string => readFileSync(path, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
