import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { meshComposition } from '@daca-mesh/agent-cards';
import { eventually } from './mesh.ts';

/** A mesh as users have it: `mesh up` in a process of its own, and the other commands beside it. */

const root = resolve(import.meta.dirname, '../..');
const script = join(root, 'cli/bin/mesh.mjs');

/** What `mesh ps --json` says about a process. */
export interface ProcessInfo {
  name: string;
  pid: number | null;
  url: string | null;
  status: string;
  restarts: number;
}

export interface MeshUpOptions {
  /** The data folder; it outlives this mesh. */
  data: string;
  /** The coordinator's port, see {@link freePorts}; by default any free ones, and other ones at each start. */
  port?: number;
  /** More arguments of `mesh up`. */
  args?: string[];
  env?: Record<string, string>;
}

/** The rest of the environment (PATH, HOME) comes from the test run; settings of a mesh around it must not. */
const environment = (env: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(MESH_|OPENAI_|DAPR_|NATS_)/.test(key))),
  NO_COLOR: '1',
  ...env,
});

function spawnMesh(args: string[], env?: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [script, ...args], {
    cwd: root,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs one command line of `mesh` to its end. */
export async function runMesh(args: string[], env?: Record<string, string>) {
  const child = spawnMesh(args, env);
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // The only argument types of the event.
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, stdout, stderr };
}

/** The first of as many ports in a row as a mesh takes, all of them free, for one that is started again on its data. */
export async function freePorts(count = meshComposition.length): Promise<number> {
  for (;;) {
    // Below the ports that the system gives out by itself.
    const first = randomInt(20_000, 32_000);
    const tries = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (tries.every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** A running `mesh up`. Its coordinator keeps its address over restarts of the processes. */
export class MeshUp implements AsyncDisposable {
  readonly data: string;
  readonly coordinator: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #env: Record<string, string> | undefined;

  private constructor(child: ChildProcess, options: MeshUpOptions, coordinator: string) {
    this.data = options.data;
    this.coordinator = coordinator;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#env = options.env;
  }

  /** Resolves once every process is ready. */
  static async start(options: MeshUpOptions): Promise<MeshUp> {
    const { data, port = 0, args = [], env } = options;
    const child = spawnMesh(['up', '--json', '--port', String(port), '--data', data, ...args], env);
    const output: string[] = [];
    const url = await new Promise<string>((found, failed) => {
      createInterface({ input: child.stdout ?? process.stdin }).on('line', (line) => {
        output.push(line);
        // Every line of `mesh up --json` is an object.
        const event = JSON.parse(line) as { type: string; url?: string };
        if (event.type === 'up' && event.url !== undefined) found(event.url);
      });
      child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
      child.once('exit', (code) => failed(new Error(`mesh up ended with ${code}:\n${output.slice(-10).join('\n')}`)));
    });
    const mesh = new MeshUp(child, options, url);
    await mesh.allReady();
    return mesh;
  }

  /** The data folder of a process. */
  dataOf(name: string): string {
    return join(this.data, name);
  }

  async processes(): Promise<ProcessInfo[]> {
    const { stdout, stderr } = await this.#run('ps', '--json');
    if (stdout === '') throw new Error(stderr);
    // As `mesh ps --json` prints it.
    return (JSON.parse(stdout) as { processes: ProcessInfo[] }).processes;
  }

  async process(name: string): Promise<ProcessInfo> {
    const found = (await this.processes()).find((process) => process.name === name);
    if (!found) throw new Error(`no process named ${name}`);
    return found;
  }

  /** `mesh kill`: it is started again by itself. */
  async kill(name: string): Promise<void> {
    const { exitCode, stderr } = await this.#run('kill', name);
    if (exitCode !== 0) throw new Error(stderr);
  }

  /** Resolves when a process is ready again. */
  async up(name: string): Promise<void> {
    await eventually(
      () => this.process(name),
      ({ status }) => status === 'ready',
      { withinMs: 90_000, what: `${name} ready` },
    );
  }

  async allReady(withinMs = 60_000): Promise<void> {
    await eventually(
      () => this.processes(),
      (processes) => processes.every(({ status }) => status === 'ready'),
      { withinMs, what: 'all processes ready' },
    );
  }

  /** An orderly end by SIGINT, or `kill -9` of `mesh up` itself. Resolves with the exit code. */
  async stop(signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill(signal);
      await exited;
    }
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #run(command: string, ...args: string[]) {
    return runMesh([command, ...args, '--data', this.data], this.#env);
  }
}
