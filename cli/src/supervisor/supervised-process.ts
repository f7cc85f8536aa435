import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessInfo, ProcessStatus } from '../mesh-state.ts';
import { isFatal, listeningUrl, type LogEntry, tryParseLogEntry } from './log-entry.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { isAgent, type Probed, type ProcessSpec } from './process-spec.ts';

/** When a process that died is started again, and how long an orderly end may take. */
export interface RestartPolicy {
  initialDelayMs: number;
  maxDelayMs: number;
  /** A process that lived this long is healthy: the delay starts over. */
  healthyAfterMs: number;
  stopTimeoutMs: number;
}

export const defaultRestartPolicy: RestartPolicy = {
  initialDelayMs: 200,
  maxDelayMs: 10_000,
  healthyAfterMs: 30_000,
  stopTimeoutMs: 10_000,
};

/** What happened to a process, for the user to see. */
export interface ProcessEvent {
  type: 'ready' | 'died' | 'down';
  process: ProcessInfo;
  /** How it ended: `exit code 1`, `SIGKILL`. */
  reason?: string;
  /** What it said before it ended: a fatal log entry, or standard error. */
  lastError?: string;
  restartInMs?: number;
  logPath: string;
}

/**
 * One process of the mesh and what is intended with it. While the intent is `run`, whatever ends the process starts it
 * again, after a delay that doubles while it keeps dying; `down` and `stop` leave it ended.
 */
export class SupervisedProcess {
  readonly spec: ProcessSpec;
  readonly #policy: RestartPolicy;
  readonly #environment: () => Readonly<Record<string, string>>;
  readonly #onChange: () => void;
  readonly #onEvent: (event: ProcessEvent) => void;
  readonly #log: LogFile;
  /** Variables it was last restarted with. */
  #extra: Readonly<Record<string, string>> = {};
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #status: ProcessStatus = 'stopped';
  #intent: 'run' | 'restart' | 'down' | 'stop' = 'stop';
  #url: string | undefined;
  #port: number;
  #delayMs: number;
  #starts = 0;
  #startedAt = 0;
  #lastError: string | undefined;

  constructor(
    spec: ProcessSpec,
    options: {
      policy: RestartPolicy;
      /** Read at every start, since the addresses of others may have become known. */
      environment: () => Readonly<Record<string, string>>;
      /** Called at every change of {@link info}. */
      onChange: () => void;
      onEvent: (event: ProcessEvent) => void;
    },
  ) {
    this.spec = spec;
    this.#policy = options.policy;
    this.#environment = options.environment;
    this.#onChange = options.onChange;
    this.#onEvent = options.onEvent;
    this.#log = openLogFile(spec.logPath);
    this.#port = isAgent(spec) ? spec.readiness.port : 0;
    this.#delayMs = options.policy.initialDelayMs;
  }

  get info(): ProcessInfo {
    return {
      name: this.spec.name,
      pid: this.#child?.pid ?? null,
      url: this.#url ?? null,
      status: this.#status,
      restarts: Math.max(0, this.#starts - 1),
    };
  }

  start(): void {
    clearTimeout(this.#timer);
    this.#intent = 'run';
    if (this.#child === undefined) this.#spawn();
  }

  /** A real SIGKILL. Resolves when the process is gone; it comes back by itself unless `down`. */
  async kill(options: { down: boolean }): Promise<void> {
    if (options.down) this.#end('down');
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** Ends the process in an orderly way if it runs, and starts it at once, whatever it was doing before. */
  async restart(extra = this.#extra): Promise<void> {
    this.#extra = extra;
    this.#delayMs = this.#policy.initialDelayMs;
    if (this.#child === undefined) {
      this.start();
    } else {
      this.#intent = 'restart';
      this.#setStatus('starting');
      await this.#terminate();
    }
  }

  /** SIGTERM, and SIGKILL after the time limit or as soon as `force` aborts. Resolves when the process is gone. */
  async stop(force?: AbortSignal): Promise<void> {
    this.#end('stop');
    await this.#terminate(force);
  }

  #end(intent: 'down' | 'stop'): void {
    this.#intent = intent;
    clearTimeout(this.#timer);
    if (this.#child === undefined) this.#setStatus(intent === 'down' ? 'down' : 'stopped');
  }

  async #terminate(force?: AbortSignal): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const kill = () => child.kill('SIGKILL');
    const timer = setTimeout(kill, this.#policy.stopTimeoutMs);
    force?.addEventListener('abort', kill);
    child.kill(force?.aborted === true ? 'SIGKILL' : 'SIGTERM');
    await this.#exited;
    clearTimeout(timer);
    force?.removeEventListener('abort', kill);
  }

  #spawn(): void {
    mkdirSync(this.spec.dataFolder, { recursive: true });
    this.#starts += 1;
    this.#startedAt = Date.now();
    this.#lastError = undefined;
    const child = spawn(this.spec.command, this.spec.args, {
      cwd: this.spec.folder,
      env: { ...this.#environment(), ...this.spec.env, ...this.#extra, ...this.#listenEnvironment() },
      // Its standard input tells it, or what watches over it, when the supervisor is gone.
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C in the terminal reaches the supervisor only, which ends the others in order.
      detached: true,
    });
    this.#child = child;
    this.#setStatus('starting');
    // Writing to a child that has just died must not end the supervisor; nothing is ever written.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stdout }).on('line', (line) => this.#onOutput(line));
    createInterface({ input: child.stderr }).on('line', (line) => this.#onErrorOutput(line));
    this.#exited = new Promise((resolve) => {
      let over = false;
      const end = (reason: string) => {
        if (over) return;
        over = true;
        this.#onExit(reason);
        resolve();
      };
      child.on('exit', (exitCode, signal) => {
        // What watched over it ends with this.
        child.stdin.destroy();
        end(signal ?? `exit code ${exitCode}`);
      });
      child.on('error', (error) => {
        if (child.pid === undefined) end(error.message);
      });
    });
    if (this.spec.readiness.kind === 'probed') void this.#probe(child, this.spec.readiness);
  }

  #listenEnvironment(): Record<string, string> {
    if (!isAgent(this.spec)) return {};
    const { host } = this.spec.readiness;
    return { MESH_HOST: host, MESH_PORT: String(this.#port), MESH_DATA: this.spec.dataFolder };
  }

  async #probe(child: ChildProcess, { healthUrl, url }: Probed): Promise<void> {
    const isStarting = () => this.#child === child && this.#intent === 'run' && this.#status === 'starting';
    while (isStarting()) {
      if ((await isHealthy(healthUrl)) && isStarting()) return this.#becomeReady(url);
      await sleep(probeEveryMs);
    }
  }

  #becomeReady(url: string | undefined): void {
    this.#url = url;
    this.#setStatus('ready');
    this.#emit('ready');
  }

  #onOutput(line: string): void {
    this.#log.append(line);
    const entry = tryParseLogEntry(line);
    if (entry !== undefined && this.#status === 'starting') this.#onStartEntry(entry);
  }

  #onStartEntry(entry: LogEntry): void {
    if (isFatal(entry)) this.#lastError = entry.err?.message ?? entry.msg;
    const url = listeningUrl(entry);
    if (url === undefined || !isAgent(this.spec)) return;
    this.#port = Number(new URL(url).port) || this.#port;
    this.#becomeReady(new URL(url).origin);
  }

  #onErrorOutput(line: string): void {
    if (tryParseLogEntry(line) !== undefined) return this.#onOutput(line);
    // What is no JSON (stack traces, warnings) is wrapped: the log stays readable by line all the same.
    this.#log.append(
      JSON.stringify({ level: 50, time: Date.now(), name: this.spec.name, stream: 'stderr', msg: line }),
    );
    if (/^\S*Error/.test(line) || this.#lastError === undefined) this.#lastError = line;
  }

  #onExit(reason: string): void {
    this.#child = undefined;
    switch (this.#intent) {
      case 'stop':
        return this.#setStatus('stopped');
      case 'down':
        this.#setStatus('down');
        return this.#emit('down', { reason });
      case 'restart':
        return this.start();
      case 'run':
        return this.#startLater(reason);
      default:
        return this.#intent satisfies never;
    }
  }

  #startLater(reason: string): void {
    if (Date.now() - this.#startedAt >= this.#policy.healthyAfterMs) this.#delayMs = this.#policy.initialDelayMs;
    const restartInMs = this.#delayMs;
    this.#delayMs = Math.min(this.#delayMs * 2, this.#policy.maxDelayMs);
    this.#timer = setTimeout(() => this.start(), restartInMs);
    this.#setStatus('backoff');
    this.#emit('died', { reason, restartInMs });
  }

  #setStatus(status: ProcessStatus): void {
    this.#status = status;
    this.#onChange();
  }

  #emit(type: ProcessEvent['type'], more: { reason?: string; restartInMs?: number } = {}): void {
    this.#onEvent({
      type,
      process: this.info,
      logPath: this.#log.path,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...more,
    });
  }
}

const probeEveryMs = 50;

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}
