import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from './free-ports.ts';

/** The program: Debian puts it where only root's PATH looks. */
const program = ['nats-server', '/usr/sbin/nats-server'].find(
  (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0,
);
const howToGetNats = 'there is no NATS server on this machine; to install one: apt-get install -y nats-server';

/** Whether tests that need a NATS server are left out: not in CI, where a missing program is a failure. */
export const skipNats = (environment: Record<string, string | undefined>): boolean => {
  const skipped = program === undefined && !environment['CI'];
  if (skipped) process.stderr.write(`skipped: ${howToGetNats}\n`);
  return skipped;
};

const startMs = 20_000;

/** A real nats-server with JetStream on this machine, whose port and files outlive its process. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number, options: readonly string[]) {
    this.#folder = folder;
    this.#options = options;
    this.port = port;
  }

  /** Starts a server on a free port with its files in a folder, and with further options of the command line. */
  static async start(folder: string, options: readonly string[] = []): Promise<NatsServer> {
    const server = new NatsServer(folder, await freePorts(), options);
    await server.restart();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts the process again, on the same port and files. */
  async restart(): Promise<void> {
    if (program === undefined) throw new Error(howToGetNats);
    await this.kill();
    const place = ['-js', '-sd', this.#folder, '-a', '127.0.0.1', '-p', String(this.port)];
    const started = spawn(program, [...place, ...this.#options], { stdio: 'ignore' });
    this.#process = started;
    for (const deadline = Date.now() + startMs; !(await accepts(this.port));) {
      if (started.exitCode !== null || Date.now() > deadline) throw new Error('nats-server did not start');
      await sleep(20);
    }
  }

  /** Ends the process without a chance to say good-bye. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
