import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { findDapr, freeDaprPorts, howToGetDapr, spawnWatched, startDapr, type RunningDapr } from '@daca-mesh/dapr';

export type BackEndName = 'embedded' | 'daprd';

export interface EngineOptions {
  readonly apiToken?: string;
}

/** A running engine with a folder of its own. Its addresses stay the same over restarts. */
export interface Engine extends AsyncDisposable {
  readonly backEnd: BackEndName;
  readonly host: string;
  readonly port: number;
  /** `host:port` of its gRPC API. */
  readonly address: string;
  /** Of its HTTP API. */
  readonly httpUrl: string;
  /** Whether a program of it ended by itself and was started again since this was asked last. */
  hadCrash(): boolean;
  /** Only on daprd: its programs one by one. */
  readonly dapr?: RunningDapr;
  /** `kill -9` of what the worker is connected to. */
  kill(): Promise<void>;
  /** The same in an orderly way. */
  stop(): Promise<void>;
  /** Again, after `kill` or `stop`. */
  restart(): Promise<void>;
  /** Resolves when the engine has noticed that so many workers are connected; what comes earlier may be turned away. */
  untilWorkers(count: number): Promise<void>;
}

export interface BackEnd {
  readonly name: BackEndName;
  /** Why it cannot or shall not be tested here. */
  readonly skipReason: string | undefined;
  start(options?: EngineOptions): Promise<Engine>;
}

const host = '127.0.0.1';
const dapr = findDapr(process.env);
/** Starting daprd for every file takes minutes in all, so that a laptop is asked first. */
const isDaprWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);

function daprSkipReason(): string | undefined {
  if (isDaprWanted && dapr === undefined) throw new Error(howToGetDapr);
  if (isDaprWanted) return undefined;
  return dapr === undefined ? howToGetDapr : 'set MESH_TEST_DAPR=1 to run it';
}

const embedded: BackEnd = { name: 'embedded', skipReason: undefined, start: startEmbedded };
export const daprd: BackEnd = { name: 'daprd', skipReason: daprSkipReason(), start: startDaprd };
export const backEnds: readonly BackEnd[] = [embedded, daprd];

/** In a process of its own, so that it can be killed. */
async function startEmbedded({ apiToken }: EngineOptions = {}): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const ports = await freeDaprPorts();
  const options = { path: join(folder, 'engine.db'), port: ports.daprdGrpc, httpPort: ports.daprdHttp, apiToken };
  const launch = async () => {
    const program = join(import.meta.dirname, 'sidecar-program.ts');
    const launched = spawnWatched(process.execPath, [program, JSON.stringify(options)], { env: process.env });
    const { stdout, stderr } = launched.child;
    if (stdout === null || stderr === null) throw new TypeError('without a log file there are pipes');
    let complaints = '';
    stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    const ended = launched.exited.then((how) => {
      throw new Error(`the sidecar did not start (${how}): ${complaints}`);
    });
    await Promise.race([once(createInterface(stdout), 'line'), ended]);
    ended.catch(() => {});
    return launched;
  };
  let running = await launch();
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    running.signal(signal);
    await running.exited;
  };
  return {
    backEnd: 'embedded',
    host,
    port: options.port,
    address: `${host}:${options.port}`,
    httpUrl: `http://${host}:${options.httpPort}`,
    hadCrash: () => false,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    restart: async () => {
      running = await launch();
    },
    untilWorkers: async () => {},
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startDaprd({ apiToken }: EngineOptions = {}): Promise<Engine> {
  if (dapr === undefined) throw new Error(howToGetDapr);
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const running = await startDapr({
    binaries: dapr,
    folder,
    // The default of both engines.
    maxBodySize: '4Mi',
    apiToken,
    environment: process.env,
  });
  let crashes = 0;
  // The scheduler of 1.18.2 dies of a job that is deleted while it fires (right from 1.18.5 on).
  const watch = setInterval(() => {
    if (running.scheduler.crash === undefined) return;
    crashes += 1;
    running.scheduler.start().catch(() => {});
  }, 100);
  return {
    backEnd: 'daprd',
    host,
    port: running.ports.daprdGrpc,
    address: running.address,
    httpUrl: running.httpUrl,
    hadCrash: () => {
      const had = crashes > 0;
      crashes = 0;
      return had;
    },
    dapr: running,
    kill: () => running.daprd.kill(),
    stop: () => running.daprd.stop(),
    restart: () => running.daprd.start(),
    untilWorkers: (count) => untilWorkers(running.httpUrl, count),
    async [Symbol.asyncDispose]() {
      clearInterval(watch);
      // Killed, as nobody reads the state any more: an orderly end takes seconds.
      await Promise.all([running.daprd.kill(), running.scheduler.kill(), running.placement.kill()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilWorkers(httpUrl: string, count: number): Promise<void> {
  for (;;) {
    // The part of daprd's answer that counts here.
    const { workflows, actorRuntime } = (await (await fetch(`${httpUrl}/v1.0/metadata`)).json()) as {
      workflows?: { connectedWorkers?: number };
      actorRuntime?: { activeActors?: unknown[] };
    };
    const hostsWorkflows = (actorRuntime?.activeActors?.length ?? 0) > 0;
    if ((workflows?.connectedWorkers ?? 0) === count && hostsWorkflows === count > 0) return;
    await sleep(10);
  }
}
