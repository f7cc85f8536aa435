import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { meshComposition } from '@daca-mesh/agent-cards';
import { freePorts } from '@daca-mesh/protocol/testing/free-ports';
import { environmentWith, eventually, type RunningMesh } from './mesh.ts';

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
  /** The data folder, which outlives this mesh; by default one of its own, removed with it. */
  data?: string;
  /** The coordinator's port, see {@link freeMeshPorts}; by default other ones at each start. */
  port?: number;
  /** More arguments of `mesh up`. */
  args?: string[];
  env?: Record<string, string>;
}

/** The first of as many free ports as a mesh takes, for one that is started again on its data. */
export const freeMeshPorts = (): Promise<number> => freePorts(meshComposition.length);

function spawnMesh(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [script, ...args], {
    cwd: root,
    env: environmentWith({ NO_COLOR: '1', ...env }),
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

/** A running `mesh up`. Its processes keep their addresses over restarts. */
export class MeshUp implements RunningMesh, AsyncDisposable {
  readonly data: string;
  readonly #child: ChildProcess;
  readonly #env: Record<string, string> | undefined;
  readonly #isDataOwn: boolean;
  readonly #urls = new Map<string, string>();

  private constructor(child: ChildProcess, data: string, { data: given, env }: MeshUpOptions) {
    this.data = data;
    this.#child = child;
    this.#env = env;
    this.#isDataOwn = given === undefined;
  }

  /** Resolves once every process is ready. */
  static async start(options: MeshUpOptions = {}): Promise<MeshUp> {
    const { data = await mkdtemp(join(tmpdir(), 'mesh-up-')), port = await freeMeshPorts(), args = [], env } = options;
    const child = spawnMesh(['up', '--json', '--port', String(port), '--data', data, ...args], env);
    const mesh = new MeshUp(child, data, options);
    try {
      await mesh.#untilUp();
      for (const { name, url } of await mesh.allReady()) if (url !== null) mesh.#urls.set(name, url);
      return mesh;
    } catch (error) {
      await mesh[Symbol.asyncDispose]();
      throw error;
    }
  }

  get coordinator(): string {
    return this.url('coordinator');
  }

  url(name: string): string {
    const url = this.#urls.get(name);
    if (url === undefined) throw new Error(`${name} has no address`);
    return url;
  }

  dataOf(name: string): string {
    return join(this.data, name);
  }

  async processes(): Promise<ProcessInfo[]> {
    // As `mesh ps --json` prints it.
    return (JSON.parse(await this.#command('ps', '--json')) as { processes: ProcessInfo[] }).processes;
  }

  async process(name: string): Promise<ProcessInfo> {
    const found = (await this.processes()).find((process) => process.name === name);
    if (!found) throw new Error(`no process named ${name}`);
    return found;
  }

  async kill(name: string, { hold = false }: { hold?: boolean } = {}): Promise<void> {
    await this.#command('kill', name, ...(hold ? ['--down'] : []));
  }

  async up(name: string): Promise<void> {
    if ((await this.process(name)).status === 'down') await this.#command('restart', name);
    await eventually(
      () => this.process(name),
      ({ status }) => status === 'ready',
      { withinMs: 90_000, what: `${name} ready` },
    );
  }

  allReady(withinMs = 60_000): Promise<ProcessInfo[]> {
    return eventually(
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
    if (this.#isDataOwn) await rm(this.data, { recursive: true, force: true });
  }

  /** Resolves when `mesh up` says that the mesh is up. */
  #untilUp(): Promise<void> {
    const child = this.#child;
    const output: string[] = [];
    return new Promise((isUp, failed) => {
      createInterface({ input: child.stdout ?? process.stdin }).on('line', (line) => {
        output.push(line);
        // Every line of `mesh up --json` is an object.
        if ((JSON.parse(line) as { type: string }).type === 'up') isUp();
      });
      child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
      child.once('exit', (code) => failed(new Error(`mesh up ended with ${code}:\n${output.slice(-10).join('\n')}`)));
    });
  }

  async #command(command: string, ...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await runMesh([command, ...args, '--data', this.data], this.#env);
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  }
}
