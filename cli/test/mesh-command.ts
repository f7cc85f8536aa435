import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../bin/mesh.mjs', import.meta.url));

/** What a finished `mesh` left behind. */
export interface Finished {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** A `mesh` that runs in a process of its own. */
export interface MeshCommand {
  child: ChildProcess;
  /** What it has printed so far. */
  output(): { stdout: string; stderr: string };
  /** The next line of standard output that is JSON and fits. */
  jsonLine(fits: (value: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  finished: Promise<Finished>;
}

/** Starts the real command line as users do, with an environment of its own. */
export function startMesh(args: string[], options: { cwd: string; env?: Record<string, string> }): MeshCommand {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const lines: Record<string, unknown>[] = [];
  const listeners = new Set<() => void>();
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout += `${line}\n`;
    // With --json every line is an object.
    if (args.includes('--json')) lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const listener of listeners) listener();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (exitCode) => {
      resolve({ exitCode, stdout, stderr });
      for (const listener of listeners) listener();
    });
  });
  return {
    child,
    finished,
    output: () => ({ stdout, stderr }),
    jsonLine: (fits) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const index = lines.findIndex((line) => fits(line));
          const [found] = index === -1 ? [] : lines.splice(index, 1);
          if (found === undefined && child.exitCode === null) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`mesh ended with ${child.exitCode}: ${stderr}${stdout}`));
        };
        listeners.add(look);
        look();
      }),
  };
}

/** Runs the real command line to its end. */
export const runMesh = (args: string[], options: { cwd: string; env?: Record<string, string> }): Promise<Finished> =>
  startMesh(args, options).finished;
