import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TaskState } from '@a2a-js/sdk';
import { textOf } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import { findPython } from '../../python/python.ts';

/** The agent of `agent.py` as a process on one port, and what its stores say. */
export class PythonAgent implements AsyncDisposable {
  readonly #folder: string;
  readonly #output: string[] = [];
  #process: ChildProcess | undefined;
  #url = '';

  constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return this.#url;
  }

  /** Starts it; after a kill on the same port and files. */
  async start(): Promise<void> {
    const port = this.#url === '' ? '0' : new URL(this.#url).port;
    const child = spawn('python3', [join(import.meta.dirname, 'agent.py'), this.#folder, '--port', port], {
      env: { ...process.env, PYTHONPATH: findPython() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const lines = createInterface({ input: child.stdout });
    createInterface({ input: child.stderr }).on('line', (line) => this.#output.push(line));
    const exited = once(child, 'exit').then(() => Promise.reject(new Error(this.#output.slice(-20).join('\n'))));
    // Its first line is where it listens.
    const [url] = await Promise.race([once(lines, 'line'), exited]);
    exited.catch(() => undefined);
    this.#url = String(url);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  /** Work that was begun does not end until this is called with false. */
  hold(held: boolean): void {
    const file = join(this.#folder, 'hold');
    if (held) writeFileSync(file, '');
    else rmSync(file);
  }

  /** Every answer it took, each as often as it did. */
  answers(): string[] {
    const file = join(this.#folder, 'answers.log');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  /** What became of each task that began with a text, the newest first. */
  async states(text: string): Promise<(TaskState | undefined)[]> {
    const client = await AgentClient.connect(this.#url);
    const { tasks } = await client.list({ historyLength: 20 });
    return tasks.filter(({ history }) => textOf(history[0]?.parts) === text).map(({ status }) => status?.state);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
