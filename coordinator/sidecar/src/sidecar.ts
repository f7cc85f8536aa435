import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Interceptor } from '@grpc/grpc-js';
import { createTokenCheck } from './api-token.ts';
import { ClientOperations } from './engine/client-operations.ts';
import { Engine } from './engine/engine.ts';
import { Quarantine } from './engine/quarantine.ts';
import type { RetentionPolicy } from './engine/retention.ts';
import { startGrpcServer, TRANSPORT_MAX_BYTES } from './grpc/grpc-server.ts';
import { createTaskHubService } from './grpc/task-hub-service.ts';
import { startHttpServer } from './http/http-server.ts';
import type { KillPointListener } from './kill-point.ts';
import { silentLogger, type Logger } from './logger.ts';
import { isLoopback, toAddress } from './loopback.ts';
import { startRetention } from './retention.ts';
import { SidecarError } from './sidecar-error.ts';
import { ProcessLock } from './store/process-lock.ts';
import { prepareSchema } from './store/schema.ts';
import { SqliteDatabase, type Durability } from './store/sqlite-database.ts';
import { createStore } from './store/store.ts';

/** How to run a sidecar. Only `path` is needed. */
export interface SidecarOptions {
  /** The SQLite file. It and its folder are created if missing; `-wal`, `.lock`, `.lock.json`, `.turns` appear beside it. */
  readonly path: string;
  /** Default `127.0.0.1`. Any other than a loopback address needs `apiToken`. */
  readonly host?: string;
  /** Default 0: any free port; `Sidecar.port` says which. */
  readonly port?: number;
  /** Where to serve Dapr's HTTP workflow API: a port, or 0 for any free one. Default: not at all. */
  readonly httpPort?: number;
  /** Default `full`. */
  readonly durability?: Durability;
  /** Default: no logs. */
  readonly logger?: Logger;
  /**
   * How many work items may be out unanswered on one worker's stream, default 100. @dapr/dapr 3.18 runs 10 at a time, queues
   * 100 more and silently loses the rest; raise this only for workers whose own limits were raised.
   */
  readonly maxUnackedPerStream?: number;
  /** Largest request in bytes, default 4 MiB as in daprd, at most 128 MiB. A larger activity result fails that activity. */
  readonly maxMessageBytes?: number;
  /** If set, every call but those to `/v1.0/healthz` must carry it as `dapr-api-token`. SDKs read DAPR_API_TOKEN. */
  readonly apiToken?: string;
  /** How long instances are kept after they ended. Default: until they are purged, as in daprd. */
  readonly retention?: RetentionPolicy;
  /** Called once if a commit fails. The sidecar refuses everything from then on; restart the process to recover. */
  readonly onFailure?: (error: SidecarError) => void;
  /**
   * Called when an instance gets no more turns until it is resumed (status STALLED), with the reason: `quarantined` if the
   * process ended three times in a row during the same turn of it. The first calls may come before `startSidecar` resolves.
   */
  readonly onStalled?: (instanceId: string, reason: string) => void;
  /**
   * Default true. False where all workers are other processes: their code cannot be what ended this one, so that nobody is to
   * be kept from running for it.
   */
  readonly quarantine?: boolean;
  /** For crash tests: told of every commit boundary that is reached, just then. */
  readonly killPoint?: KillPointListener;
}

/** A running sidecar. `await using` closes it. */
export interface Sidecar extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as gRPC clients want it. */
  readonly address: string;
  /**
   * For clients in this process, as `grpcOptions: { interceptors: [sidecar.inProcess] }` of Dapr's SDK: their calls are answered
   * without a socket. Everything else is as over gRPC, the token too.
   */
  readonly inProcess: Interceptor;
  /** Where HTTP is served, if it was asked for. */
  readonly httpPort: number | undefined;
  /** Ends worker streams cleanly, answers waiting calls with UNAVAILABLE, and frees the database. Repeatable. */
  close(): Promise<void>;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** How long clients have to take their last answers. */
const CLOSE_GRACE_MS = 1000;

/**
 * Starts a Dapr workflow sidecar in this process and takes up whatever work the database holds.
 *
 * @throws SidecarError `DATABASE_LOCKED`, `DATABASE_VERSION`, `DATABASE_UNAVAILABLE`, `DATABASE_FAILED`,
 *   `ADDRESS_UNAVAILABLE` or `TOKEN_REQUIRED`.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { path, host = '127.0.0.1', port = 0, durability = 'full', logger = silentLogger, onFailure } = options;
  const { maxUnackedPerStream = 100 } = options;
  const maxMessageBytes = Math.min(options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES, TRANSPORT_MAX_BYTES);
  // An empty one, as of a variable that is not set, would let everybody in who sends nothing.
  const apiToken = options.apiToken === '' ? undefined : options.apiToken;
  if (apiToken === undefined && !isLoopback(host)) {
    throw new SidecarError('TOKEN_REQUIRED', `listening on ${host} needs an apiToken`);
  }
  await using cleanup = new AsyncDisposableStack();
  let isHealthy = true;
  let stopWork: (() => void) | undefined;
  const database = openDatabase(path, durability, cleanup, (error) => {
    logger.error({ err: error }, 'commit failed; the sidecar refuses further work');
    isHealthy = false;
    stopWork?.();
    onFailure?.(error);
  });
  const { onStalled, killPoint } = options;
  const store = createStore(database);
  const quarantine = options.quarantine === false ? undefined : new Quarantine(`${path}.turns`, store, logger);
  const engine = new Engine({ store, logger, now: Date.now, maxMessageBytes, quarantine, onStalled, killPoint });
  stopWork = () => {
    engine.stop();
    // However the process ends now, it is not the fault of a turn.
    quarantine?.close();
  };
  cleanup.defer(() => engine.stop());
  await engine.start();
  const retention = startRetention(engine, options.retention ?? {}, logger);
  cleanup.defer(() => retention[Symbol.dispose]());

  const isTokenValid = createTokenCheck(apiToken);
  const handlers = createTaskHubService(engine, maxUnackedPerStream);
  await using servers = new AsyncDisposableStack();
  const grpc = await startGrpcServer({ host, port, handlers, isTokenValid, logger });
  servers.defer(() => grpc.close(CLOSE_GRACE_MS));
  const http =
    options.httpPort === undefined
      ? undefined
      : await startHttpServer({
          host,
          port: options.httpPort,
          engine,
          operations: new ClientOperations(engine),
          logger,
          isTokenValid,
          isHealthy: () => isHealthy,
        });
  servers.defer(() => http?.close(CLOSE_GRACE_MS));
  logger.info({ host, port: grpc.port, httpPort: http?.port, path, durability }, 'sidecar listens');

  const running = cleanup.move();
  const listening = servers.move();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    engine.stop();
    await listening.disposeAsync();
    quarantine?.close();
    await running.disposeAsync();
  };
  return {
    host,
    port: grpc.port,
    address: toAddress(host, grpc.port),
    inProcess: grpc.inProcess,
    httpPort: http?.port,
    close: () => (closing ??= close()),
    async [Symbol.asyncDispose]() {
      await (closing ??= close());
    },
  };
}

/** The database, with its lock, as resources of `cleanup`. */
function openDatabase(
  path: string,
  durability: Durability,
  cleanup: AsyncDisposableStack,
  onFailed: (error: SidecarError) => void,
): SqliteDatabase {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const lock = new ProcessLock(path);
    cleanup.defer(() => lock.release());
    const database = new SqliteDatabase(path, durability, onFailed);
    cleanup.defer(() => database.close());
    prepareSchema(database);
    return database;
  } catch (cause) {
    if (cause instanceof SidecarError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SidecarError('DATABASE_UNAVAILABLE', `cannot open ${path}: ${reason}`, { cause });
  }
}
