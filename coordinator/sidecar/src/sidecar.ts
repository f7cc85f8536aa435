import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { Engine } from './engine/engine.ts';
import { TaskHubSidecarService } from './gen/durable_task_pb.ts';
import { RpcError } from './grpc/rpc-error.ts';
import { adaptService, type CallPolicy } from './grpc/service-adapter.ts';
import { createTaskHubService } from './grpc/task-hub-service.ts';
import { silentLogger, type Logger } from './logger.ts';
import { SidecarError } from './sidecar-error.ts';
import { ProcessLock } from './store/process-lock.ts';
import { prepareSchema } from './store/schema.ts';
import { SqliteDatabase, type Durability } from './store/sqlite-database.ts';
import { createStore } from './store/store.ts';

/** How to run a sidecar. Only `path` is needed. */
export interface SidecarOptions {
  /** The SQLite file. It and its folder are created if missing; `-wal`, `.lock` and `.lock.json` files appear beside it. */
  readonly path: string;
  /** Default `127.0.0.1`. Any other than a loopback address needs `apiToken`. */
  readonly host?: string;
  /** Default 0: any free port; `Sidecar.port` says which. */
  readonly port?: number;
  /** Default `full`. */
  readonly durability?: Durability;
  /** Default: no logs. */
  readonly logger?: Logger;
  /**
   * How many work items may be out unanswered on one worker's stream, default 100. @dapr/dapr 3.18 runs 10 at a time, queues
   * 100 more and silently loses the rest; raise this only for workers whose own limits were raised.
   */
  readonly maxUnackedPerStream?: number;
  /** Largest request in bytes, default 4 MiB as in daprd. A larger activity result fails that activity. */
  readonly maxMessageBytes?: number;
  /** If set, every call must carry it as `dapr-api-token`. SDKs read theirs from DAPR_API_TOKEN. */
  readonly apiToken?: string;
  /** Called once if a commit fails. The sidecar refuses everything from then on; restart the process to recover. */
  readonly onFailure?: (error: SidecarError) => void;
}

/** A running sidecar. `await using` closes it. */
export interface Sidecar extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as gRPC clients want it. */
  readonly address: string;
  /** Ends worker streams cleanly, answers waiting calls with UNAVAILABLE, and frees the database. Repeatable. */
  close(): Promise<void>;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** What the SDK's own client is set to. Above `maxMessageBytes`, so that an oversize result arrives and can be failed. */
const TRANSPORT_MAX_BYTES = 128 * 1024 * 1024;
/** How long clients have to take their last answers. */
const CLOSE_GRACE_MS = 1000;

/**
 * Starts a Dapr workflow sidecar in this process and takes up whatever work the database holds.
 *
 * @throws SidecarError `DATABASE_LOCKED`, `DATABASE_VERSION`, `ADDRESS_UNAVAILABLE` or `TOKEN_REQUIRED`.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { path, host = '127.0.0.1', port = 0, durability = 'full', logger = silentLogger, onFailure } = options;
  const { maxUnackedPerStream = 100, maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES, apiToken } = options;
  if (apiToken === undefined && !isLoopback(host)) {
    throw new SidecarError('TOKEN_REQUIRED', `listening on ${host} needs an apiToken`);
  }
  mkdirSync(dirname(path), { recursive: true });
  await using cleanup = new AsyncDisposableStack();
  const lock = new ProcessLock(path);
  cleanup.defer(() => lock.release());
  const database = new SqliteDatabase(path, durability, (error) => {
    logger.error({ err: error }, 'commit failed; the sidecar refuses further work');
    engine.stop();
    onFailure?.(error);
  });
  cleanup.defer(() => database.close());
  prepareSchema(database);
  const engine = new Engine({ store: createStore(database), logger, now: Date.now, maxMessageBytes });
  cleanup.defer(() => engine.stop());
  await engine.recover();

  const server = new Server({
    'grpc.max_receive_message_length': TRANSPORT_MAX_BYTES,
    'grpc.max_send_message_length': TRANSPORT_MAX_BYTES,
    // Introspection that nobody reads, at a price per call.
    'grpc.enable_channelz': 0,
  });
  const handlers = createTaskHubService(engine, maxUnackedPerStream);
  const { definition, implementation } = adaptService(TaskHubSidecarService, handlers, {
    guard: tokenGuard(apiToken),
    onInternalError: (error) => logger.error({ err: error }, 'call failed'),
  });
  server.addService(definition, implementation);
  const boundPort = await listen(server, host, port);
  logger.info({ host, port: boundPort, path, durability }, 'sidecar listens');

  const running = cleanup.move();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    engine.stop();
    await stopServer(server);
    await running.disposeAsync();
  };
  return {
    host,
    port: boundPort,
    address: `${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    close: () => (closing ??= close()),
    async [Symbol.asyncDispose]() {
      await (closing ??= close());
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** daprd's answer to a missing or wrong token. */
function tokenGuard(apiToken: string | undefined): CallPolicy['guard'] {
  if (apiToken === undefined) return () => {};
  return (metadata) => {
    if (metadata.get('dapr-api-token').includes(apiToken)) return;
    throw new RpcError(status.UNAUTHENTICATED, 'authentication error: api token mismatch');
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause, boundPort) => {
      if (cause === null) resolve(boundPort);
      else reject(new SidecarError('ADDRESS_UNAVAILABLE', `cannot listen on ${address}: ${cause.message}`, { cause }));
    });
  });
}

async function stopServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.tryShutdown(() => resolve());
  const force = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, CLOSE_GRACE_MS);
  await promise;
  clearTimeout(force);
}
