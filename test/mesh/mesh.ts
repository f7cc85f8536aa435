import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { meshComposition } from '@daca-mesh/agent-cards';
import { freePorts } from '@daca-mesh/protocol/testing/free-ports';

/**
 * A mesh of real processes for one test. Ports are given out by the system and kept over restarts; a process that dies
 * is started again at once unless the test holds it down.
 */

const root = resolve(import.meta.dirname, '../..');
const readyWithinMs = 30_000;

/** A mesh of processes, on whichever engine. */
export interface RunningMesh {
  /** The origin of the coordinator. */
  readonly coordinator: string;
  /** The origin of a process; it stays the same over restarts. */
  url(name: string): string;
  /** The data folder of a process. */
  dataOf(name: string): string;
  /** `kill -9`; the process comes back by itself unless `hold` is given. */
  kill(name: string, options?: { hold?: boolean }): Promise<void>;
  /** Starts a process that is down, and resolves when it is ready. */
  up(name: string): Promise<void>;
}

export interface MeshOptions {
  /** Environment by process name; `all` goes to every process. */
  env?: Record<string, Record<string, string>>;
  /** Only these processes (by name) are started, besides the coordinator. All by default. */
  peers?: string[];
}

interface Process {
  name: string;
  main: string;
  env: Record<string, string>;
  /** Variables of the present start. */
  extra: Record<string, string>;
  url: string | undefined;
  child: ChildProcess | undefined;
  held: boolean;
  deaths: { code: number | null; signal: string | null }[];
  output: string[];
  spawnedAt: number;
  startMs: number;
}

export class Mesh implements RunningMesh, AsyncDisposable {
  readonly data: string;
  readonly #processes = new Map<string, Process>();
  #closing = false;

  private constructor(data: string) {
    this.data = data;
  }

  static async start(options: MeshOptions = {}): Promise<Mesh> {
    const mesh = new Mesh(await mkdtemp(join(tmpdir(), 'mesh-test-')));
    try {
      const entries = meshComposition.filter(
        (entry) => entry.name === 'coordinator' || (options.peers?.includes(entry.name) ?? true),
      );
      for (const entry of entries) mesh.#add(entry, options);
      // Agents without another bus send their events to the coordinator, which starts after them.
      const port = await freePorts();
      for (const process of mesh.#processes.values()) process.env['MESH_URL'] ??= `http://127.0.0.1:${port}`;
      mesh.#process('coordinator').env['MESH_PORT'] = String(port);
      const peers = entries.filter((entry) => entry.name !== 'coordinator');
      const called = peers.filter((entry) => !entry.callsPeers);
      await Promise.all(called.map((entry) => mesh.up(entry.name)));
      const callers = peers.filter((entry) => entry.callsPeers).map((entry) => entry.name);
      await Promise.all(callers.map((name) => mesh.#upAmong(name, called)));
      await mesh.#upAmong('coordinator', peers);
      return mesh;
    } catch (error) {
      await mesh[Symbol.asyncDispose]();
      throw error;
    }
  }

  url(name: string): string {
    const { url } = this.#process(name);
    if (url === undefined) throw new Error(`${name} has not been started`);
    return url;
  }

  get coordinator(): string {
    return this.url('coordinator');
  }

  dataOf(name: string): string {
    return join(this.data, name);
  }

  /** How often a process died of a signal. */
  kills(name: string): number {
    return this.#process(name).deaths.filter((death) => death.signal === 'SIGKILL').length;
  }

  /** The processes that are up, with the time from spawning to listening. */
  processes(): { name: string; pid: number; startMs: number }[] {
    return [...this.#processes.values()].flatMap(({ name, child, startMs }) =>
      child?.pid === undefined ? [] : [{ name, pid: child.pid, startMs }],
    );
  }

  /** Every log line of a process, over its restarts. */
  output(name: string): readonly string[] {
    return this.#process(name).output;
  }

  async kill(name: string, options: { hold?: boolean } = {}): Promise<void> {
    const process = this.#process(name);
    process.held = options.hold ?? false;
    const { child } = process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Ends a process and starts it again with these variables beside its own, in place of those given here before. */
  async restart(name: string, env: Record<string, string> = {}): Promise<void> {
    await this.kill(name, { hold: true });
    this.#process(name).extra = env;
    await this.up(name);
  }

  async up(name: string): Promise<void> {
    const process = this.#process(name);
    process.held = false;
    const deadline = Date.now() + readyWithinMs;
    if (!process.child) this.#spawn(process);
    while (Date.now() < deadline) {
      if (process.url !== undefined && (await isReady(process.url, process.env['MESH_TOKEN']))) return;
      await sleep(25);
    }
    throw new Error(`${name} was not ready in ${readyWithinMs} ms:\n${process.output.slice(-20).join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#processes.keys()].map((name) => this.kill(name, { hold: true })));
    await rm(this.data, { recursive: true, force: true });
  }

  /** Starts a process that is told where others are. */
  async #upAmong(name: string, peers: readonly { name: string }[]): Promise<void> {
    this.#process(name).env['MESH_PEERS'] = peers.map((peer) => this.url(peer.name)).join(',');
    await this.up(name);
  }

  #process(name: string): Process {
    const process = this.#processes.get(name);
    if (!process) throw new Error(`no process named ${name}`);
    return process;
  }

  #add(entry: (typeof meshComposition)[number], options: MeshOptions): void {
    this.#processes.set(entry.name, {
      name: entry.name,
      main: join(root, entry.package, 'src/main.ts'),
      env: {
        MESH_DATA: this.dataOf(entry.name),
        MESH_HOST: '127.0.0.1',
        MESH_PORT: '0',
        MESH_LOG_LEVEL: 'info',
        MESH_CARD: entry.card,
        ...entry.env,
        ...options.env?.['all'],
        ...options.env?.[entry.name],
      },
      extra: {},
      url: undefined,
      child: undefined,
      held: false,
      deaths: [],
      output: [],
      spawnedAt: 0,
      startMs: 0,
    });
  }

  #spawn(target: Process): void {
    const child = spawn(process.execPath, [target.main], {
      cwd: root,
      env: environmentWith({ ...target.env, ...target.extra }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    target.child = child;
    target.spawnedAt = performance.now();
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#onLine(target, line));
    }
    child.once('exit', (code, signal) => {
      target.deaths.push({ code, signal });
      target.child = undefined;
      if (!this.#closing && !target.held) setTimeout(() => this.#respawn(target), 50);
    });
  }

  #respawn(target: Process): void {
    if (!this.#closing && !target.held && !target.child) this.#spawn(target);
  }

  #onLine(target: Process, line: string): void {
    target.output.push(line);
    if (target.output.length > 2_000) target.output.shift();
    if (!line.includes('"listening"')) return;
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('url' in entry)) return;
    const url = String(entry.url);
    target.url = url;
    target.startMs = Math.round(performance.now() - target.spawnedAt);
    target.env['MESH_PORT'] = new URL(url).port;
  }
}

/** The rest of the environment (PATH, HOME) comes from the test run; settings of a mesh around it must not. */
export const environmentWith = (settings: Record<string, string>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(MESH_|OPENAI_|DAPR_|NATS_)/.test(key))),
  ...settings,
});

async function isReady(url: string, token: string | undefined): Promise<boolean> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    return (await fetch(`${url}/readyz`, { headers, signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Asks again until the condition holds; fails with what it saw last. */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (value: T) => boolean,
  options: { withinMs?: number; what: string },
): Promise<T> {
  const deadline = Date.now() + (options.withinMs ?? 30_000);
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await ask();
      if (holds(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(30);
  }
  throw new Error(`${options.what}: not within the deadline; last seen: ${describe(last)}`);
}

const describe = (value: unknown): string =>
  value instanceof Error ? (value.stack ?? value.message) : JSON.stringify(value, undefined, 1);
