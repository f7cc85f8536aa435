import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a `--json` program says when it listens. */
interface Listening {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  readonly dataFolder: string;
  readonly durability: string;
  readonly retention: Readonly<Record<string, number>>;
  readonly token: boolean;
  readonly pid: number;
}

export interface Finished {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The standalone program in a process of its own, which is killed when disposed. */
export interface StandaloneProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly stdout: () => string;
  /** Rejects if it ends before. */
  readonly listening: Promise<Listening>;
  readonly finished: Promise<Finished>;
}

/** The command by which users start it, and the program itself. */
export const MESH_SIDECAR = [fileURLToPath(new URL('../../../cli/bin/mesh.mjs', import.meta.url)), 'sidecar'];
export const DACA_SIDECAR = [fileURLToPath(new URL('../src/main.ts', import.meta.url))];

/** On any free ports unless `args` say otherwise. */
export function startStandalone(
  command: readonly string[],
  args: readonly string[],
  options: { env?: Record<string, string>; uid?: number; execPath?: string; cwd?: string } = {},
): StandaloneProcess {
  const { env, execPath = process.execPath, ...spawnOptions } = options;
  const ports = ['--port', '0', '--http-port', '0'].slice(args.includes('--port') ? 2 : 0);
  const child = spawn(execPath, [...command, ...ports, ...args], {
    ...spawnOptions,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  const listening = new Promise<Listening>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout += `${line}\n`;
      // With --json its first line is this one.
      if (args.includes('--json')) resolve(JSON.parse(line) as Listening);
    });
    const over = (end: Finished) => reject(new Error(`ended with ${end.exitCode}: ${end.stdout}${end.stderr}`));
    finished.then(over, reject);
  });
  // Not everybody waits for it.
  listening.catch(() => {});
  return {
    child,
    stdout: () => stdout,
    listening,
    finished,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await finished.catch(() => {});
    },
  };
}
