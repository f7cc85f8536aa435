import { type Interceptor, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { TokenCheck } from '../api-token.ts';
import { TaskHubSidecarService } from '../gen/durable_task_pb.ts';
import type { Logger } from '../logger.ts';
import { toAddress } from '../loopback.ts';
import { SidecarError } from '../sidecar-error.ts';
import { createInProcessInterceptor } from './in-process.ts';
import { RpcError } from './rpc-error.ts';
import { adaptService, type CallPolicy, type ServiceHandlers } from './service-adapter.ts';

/** What the gRPC side is made of. */
export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly handlers: ServiceHandlers<(typeof TaskHubSidecarService)['method']>;
  readonly isTokenValid: TokenCheck;
  readonly logger: Logger;
  /** Default: every minute, and five minutes for the answer. */
  readonly ping?: { readonly everyMs: number; readonly timeoutMs: number };
}

/** A listening gRPC side. */
export interface GrpcSide {
  readonly port: number;
  /** Leads the calls of clients in this process to the same handlers, without a socket. */
  readonly inProcess: Interceptor;
  /** Lets calls in flight finish, for at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * What the SDK's own client is set to: larger work items would end its stream, again and again. Above the engine's limit, so
 * that an oversize result arrives and can be failed.
 */
export const TRANSPORT_MAX_BYTES = 128 * 1024 * 1024;

/**
 * A machine that is switched off says no goodbye, and what its worker had would be out for ever. The answer may take as
 * long as an activity keeps a worker from reading its socket.
 */
const PING = { everyMs: 60_000, timeoutMs: 300_000 };

/**
 * Serves the service that SDKs speak.
 *
 * @throws SidecarError `ADDRESS_UNAVAILABLE`
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcSide> {
  const { host, handlers, isTokenValid, logger, ping = PING } = options;
  const server = new Server({
    'grpc.max_receive_message_length': TRANSPORT_MAX_BYTES,
    'grpc.max_send_message_length': TRANSPORT_MAX_BYTES,
    'grpc.keepalive_time_ms': ping.everyMs,
    'grpc.keepalive_timeout_ms': ping.timeoutMs,
    // Introspection that nobody reads, at a price per call.
    'grpc.enable_channelz': 0,
  });
  const policy: CallPolicy = {
    guard: tokenGuard(isTokenValid),
    onInternalError: (error) => logger.error({ err: error }, 'call failed'),
  };
  const { definition, implementation } = adaptService(TaskHubSidecarService, handlers, policy);
  server.addService(definition, implementation);
  const port = await listen(server, toAddress(host, options.port));
  return {
    port,
    inProcess: createInProcessInterceptor(TaskHubSidecarService, handlers, policy),
    close: (graceMs) => close(server, graceMs),
  };
}

/** daprd's answer to a missing or wrong token. */
function tokenGuard(isTokenValid: TokenCheck): CallPolicy['guard'] {
  return (metadata) => {
    if (isTokenValid(metadata.get('dapr-api-token')[0]?.toString())) return;
    throw new RpcError(status.UNAUTHENTICATED, 'Unauthorized');
  };
}

function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause, boundPort) => {
      if (cause === null) resolve(boundPort);
      else
        reject(new SidecarError('ADDRESS_UNAVAILABLE', `cannot listen on ${address}: ${reasonOf(cause)}`, { cause }));
    });
  });
}

/** grpc-js wraps what the system said once more than is of use. */
function reasonOf(cause: Error): string {
  return /^No address added .* errors: \[(?<reason>.*)\]$/u.exec(cause.message)?.groups?.['reason'] ?? cause.message;
}

async function close(server: Server, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.tryShutdown(() => resolve());
  const force = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, graceMs);
  await promise;
  clearTimeout(force);
}
