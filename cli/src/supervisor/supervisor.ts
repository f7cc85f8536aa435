import { randomBytes } from 'node:crypto';
import { MeshError } from '@daca-mesh/protocol';
import { type MeshState, type ProcessInfo, removeMeshState, writeMeshState } from '../mesh-state.ts';
import { toChildEnvironment } from './child-environment.ts';
import { coordinatorName } from './composition.ts';
import { type ControlServer, startControlServer } from './control-server.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import type { MeshEngine } from './engine.ts';
import { checkPortsFree, choosePorts } from './free-ports.ts';
import { isAgent, type ProcessSpec } from './process-spec.ts';
import {
  defaultRestartPolicy,
  type ProcessEvent,
  type RestartPolicy,
  SupervisedProcess,
} from './supervised-process.ts';

/** What a mesh is started with. */
export interface SupervisorOptions {
  specs: readonly ProcessSpec[];
  /** What the coordinator needs besides its peers; called once nobody else uses the data folder. */
  engine?: () => Promise<MeshEngine>;
  /** Absolute. One supervisor per data folder: a second one is refused with DATABASE_LOCKED. */
  dataFolder: string;
  /** What every process inherits. */
  environment: Readonly<Record<string, string>>;
  onEvent?: (event: ProcessEvent) => void;
  policy?: Partial<RestartPolicy>;
}

/** A running mesh. */
export interface Supervisor {
  readonly processes: ProcessInfo[];
  /** The coordinator's origin; undefined before it listens, and in a mesh without one. */
  readonly url: string | undefined;
  /** Resolves when every process is ready or was taken down. */
  ready(signal?: AbortSignal): Promise<void>;
  kill(name: string, options: { down: boolean }): Promise<ProcessInfo>;
  /** With these variables beside its own, until it is restarted again. Resolves once it listens, or has been found not to in 30 s. */
  restart(name: string, env?: Readonly<Record<string, string>>): Promise<ProcessInfo>;
  /** SIGTERM to all, in order, SIGKILL to those that take too long, or to all as soon as `force` aborts. */
  stop(force?: AbortSignal): Promise<void>;
}

/** How long `restart` waits for the process to listen again before it reports what it sees: daprd may wait for a scheduler. */
const readyTimeoutMs = 30_000;

/**
 * Starts the processes of a mesh and keeps them running. Those that call others are started as soon as the addresses of
 * these are known: at once with fixed ports, else when they listen.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const lock = lockDataFolder(options.dataFolder);
  try {
    await checkPortsFree(options.specs);
    // Without a coordinator there is nothing to run, and an engine's state is left as it is.
    const isNeeded = options.specs.some(({ name }) => name === coordinatorName);
    const specs = withEngine(
      await choosePorts(options.specs, callsOthers),
      isNeeded ? await options.engine?.() : undefined,
    );
    const mesh = new Mesh({ ...options, specs }, lock);
    await mesh.start();
    return mesh;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

function withEngine(specs: readonly ProcessSpec[], engine: MeshEngine | undefined): readonly ProcessSpec[] {
  if (engine === undefined) return specs;
  const { processes, environment } = engine;
  const told = specs.map((spec) =>
    spec.name === coordinatorName ? { ...spec, env: { ...spec.env, ...environment } } : spec,
  );
  return [...told, ...processes];
}

class Mesh implements Supervisor {
  readonly #options: SupervisorOptions;
  readonly #lock: Disposable;
  readonly #startedAt = new Date().toISOString();
  readonly #token = randomBytes(32).toString('base64url');
  readonly #processes: SupervisedProcess[];
  readonly #waiters = new Set<() => void>();
  #control: ControlServer | undefined;
  #stopped: Promise<void> | undefined;
  /** What each process that calls others was told of their addresses, by its name. */
  readonly #announced = new Map<string, string>();
  /** Its state was written, so that other commands find it. */
  #isFound = false;

  constructor(options: SupervisorOptions, lock: Disposable) {
    this.#options = options;
    this.#lock = lock;
    this.#processes = options.specs.map(
      (spec) =>
        new SupervisedProcess(spec, {
          policy: { ...defaultRestartPolicy, ...options.policy },
          environment: () => {
            const coordinatorUrl = this.#coordinator && addressOf(this.#coordinator);
            return toChildEnvironment(spec, options.environment, this.#announced.get(spec.name), coordinatorUrl);
          },
          onChange: () => this.#onChange(),
          onEvent: (event) => this.#onEvent(event),
        }),
    );
  }

  async start(): Promise<void> {
    this.#control = await startControlServer(this, this.#token);
    for (const process of this.#processes) if (!isCaller(process)) process.start();
    this.#startCallers();
    this.#onChange();
  }

  get processes(): ProcessInfo[] {
    return this.#processes.map((process) => process.info);
  }

  get url(): string | undefined {
    return this.#coordinator?.info.url ?? undefined;
  }

  get #coordinator(): SupervisedProcess | undefined {
    return this.#processes.find((process) => process.spec.name === coordinatorName);
  }

  /** The coordinator calls everybody; others who call do not call each other, so that nobody waits in a circle. */
  #peersOf(caller: SupervisedProcess): SupervisedProcess[] {
    const agents = this.#processes.filter((process) => isAgent(process.spec) && process !== this.#coordinator);
    return caller === this.#coordinator ? agents : agents.filter((process) => !isCaller(process));
  }

  async ready(signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.processes.every(({ status }) => status === 'ready' || status === 'down'), signal);
  }

  async kill(name: string, options: { down: boolean }): Promise<ProcessInfo> {
    const process = this.#find(name);
    if (process.info.pid === null && !options.down) {
      throw new MeshError('UNAVAILABLE', `${name} does not run (${process.info.status}), so there is nothing to kill`);
    }
    await process.kill(options);
    return process.info;
  }

  async restart(name: string, env: Readonly<Record<string, string>> = {}): Promise<ProcessInfo> {
    const process = this.#find(name);
    await process.restart(env);
    await this.#until(() => process.info.status !== 'starting', AbortSignal.timeout(readyTimeoutMs)).catch(() => {});
    return process.info;
  }

  stop(force?: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(force);
    return this.#stopped;
  }

  async #stop(force?: AbortSignal): Promise<void> {
    const ends = new Map<SupervisedProcess, Promise<void>>();
    const end = (process: SupervisedProcess): Promise<void> => {
      const ending =
        ends.get(process) ?? stopAfter(process, this.#processes.filter(endsBefore(process)).map(end), force);
      ends.set(process, ending);
      return ending;
    };
    await Promise.all(this.#processes.map(end));
    await this.#control?.close();
    removeMeshState(this.#options.dataFolder);
    this.#lock[Symbol.dispose]();
  }

  #find(name: string): SupervisedProcess {
    const process = this.#processes.find((candidate) => candidate.spec.name === name);
    if (process !== undefined) return process;
    const names = this.#processes.map((candidate) => candidate.spec.name).join(', ');
    throw new MeshError('NOT_FOUND', `no process is called ${name}; there are ${names}`);
  }

  /** Starts who calls others once they can be told of them, and again when one first listens after that. */
  #startCallers(): void {
    if (this.#stopped !== undefined) return;
    for (const caller of this.#processes.filter(isCaller)) {
      const peers = this.#peersOf(caller);
      if (!peers.every(isSettled)) continue;
      const addresses = peers.flatMap((peer) => addressOf(peer) ?? []).join(',');
      const isNews = addresses !== this.#announced.get(caller.spec.name);
      this.#announced.set(caller.spec.name, addresses);
      if (caller.info.status === 'stopped') caller.start();
      else if (isNews && caller.info.status !== 'down') void caller.restart();
    }
  }

  async #until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!condition()) {
      signal?.throwIfAborted();
      const changed = Promise.withResolvers<void>();
      this.#waiters.add(changed.resolve);
      signal?.addEventListener('abort', () => changed.resolve(), { once: true });
      await changed.promise;
    }
  }

  #onEvent(event: ProcessEvent): void {
    this.#options.onEvent?.(event);
    this.#startCallers();
  }

  #onChange(): void {
    if (this.#control === undefined || this.#stopped !== undefined) return;
    try {
      writeMeshState(this.#options.dataFolder, this.#state(this.#control.url));
      this.#isFound = true;
    } catch (error) {
      // A disk that is full later must not end the mesh: what is written already finds it, and the next change is written.
      if (!this.#isFound) throw error;
    }
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #state(controlUrl: string): MeshState {
    return {
      pid: process.pid,
      startedAt: this.#startedAt,
      url: this.url ?? null,
      control: { url: controlUrl, token: this.#token },
      processes: this.processes,
    };
  }
}

const endsBefore =
  ({ spec: { endsAfter = [] } }: SupervisedProcess) =>
  ({ spec: { name } }: SupervisedProcess): boolean =>
    endsAfter.includes(name);

async function stopAfter(process: SupervisedProcess, others: readonly Promise<void>[], force?: AbortSignal) {
  await Promise.all(others);
  await process.stop(force);
}

const callsOthers = ({ name, callsPeers }: ProcessSpec): boolean => name === coordinatorName || callsPeers === true;
const isCaller = ({ spec }: SupervisedProcess): boolean => callsOthers(spec);

/** A peer that died before it ever listened must not hold up the others: whoever calls it goes on without it. */
const isSettled = (peer: SupervisedProcess): boolean =>
  addressOf(peer) !== undefined || peer.info.status === 'backoff' || peer.info.restarts > 0;

/** Where a peer is or, with a fixed port, will be. */
function addressOf({ info, spec }: SupervisedProcess): string | undefined {
  if (info.url !== null) return info.url;
  if (!isAgent(spec) || spec.readiness.port === 0) return undefined;
  const { host, port } = spec.readiness;
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
