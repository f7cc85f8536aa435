import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TokenCheck } from '../api-token.ts';
import type { ClientOperations } from '../engine/client-operations.ts';
import type { Engine } from '../engine/engine.ts';
import type { Logger } from '../logger.ts';
import { isLoopback, toAddress } from '../loopback.ts';
import { SidecarError } from '../sidecar-error.ts';
import { HttpError, noSuchRoute } from './http-error.ts';
import { readBody } from './read-body.ts';
import { parsePath } from './request-path.ts';
import { WorkflowApi, type Reply } from './workflow-api.ts';

/** What the HTTP side is made of. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly engine: Engine;
  readonly operations: ClientOperations;
  readonly logger: Logger;
  readonly isTokenValid: TokenCheck;
  /** Whether the sidecar can serve; `/v1.0/healthz` tells. */
  readonly isHealthy: () => boolean;
}

/** A listening HTTP side. */
export interface HttpSide {
  readonly port: number;
  /** Lets requests in flight finish, for at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const API_VERSIONS: ReadonlySet<string> = new Set(['v1.0', 'v1.0-beta1', 'v1.0-alpha1']);
const NO_CONTENT: Reply = { status: 204 };

/**
 * Serves Dapr's HTTP API, as far as workflows go.
 *
 * @throws SidecarError `ADDRESS_UNAVAILABLE`
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpSide> {
  const api = new WorkflowApi(options.engine, options.operations);
  const server = createServer((request, response) => void serve(request, response, api, options));
  const port = await listen(server, options.host, options.port);
  return { port, close: (graceMs) => close(server, graceMs) };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  api: WorkflowApi,
  options: HttpServerOptions,
): Promise<void> {
  try {
    send(response, await answer(request, api, options));
  } catch (error) {
    if (error instanceof HttpError) {
      const { status, errorCode, message } = error;
      send(response, { status, body: { errorCode, message } });
      return;
    }
    options.logger.error({ err: error }, 'HTTP call failed');
    send(response, { status: 500, body: { errorCode: 'ERROR', message: 'internal error' } });
  }
}

async function answer(request: IncomingMessage, api: WorkflowApi, options: HttpServerOptions): Promise<Reply> {
  if (isLoopback(options.host)) refuseForeignPages(request);
  const { method = '' } = request;
  const { segments, query } = parsePath(request.url ?? '');
  const [version = '', area, ...rest] = segments;
  if (method === 'GET' && version === 'v1.0' && area === 'healthz') return answerHealth(rest, options);
  if (!options.isTokenValid(singleHeader(request, 'dapr-api-token'))) {
    return { status: 401, body: 'invalid api token\n' };
  }
  if (method === 'GET' && version === 'v1.0' && area === 'metadata' && rest.length === 0) return METADATA;
  if (!API_VERSIONS.has(version) || area !== 'workflows') throw noSuchRoute();
  const maxBytes = options.engine.maxMessageBytes;
  return api.handle({ method, segments: rest.slice(1), query, readBody: () => readBody(request, maxBytes) });
}

/** What SDKs ask for to see whether the sidecar is there. Its contents describe what a daprd would have besides. */
const METADATA: Reply = { status: 200, body: { id: 'daca-sidecar', extended: {} } };

function answerHealth(rest: readonly string[], { isHealthy }: HttpServerOptions): Reply {
  const outbound = rest[0] === 'outbound';
  if (rest.length > (outbound ? 1 : 0)) throw noSuchRoute();
  if (isHealthy()) return NO_CONTENT;
  throw outbound
    ? new HttpError(500, 'ERR_OUTBOUND_HEALTH_NOT_READY', 'dapr outbound is not ready')
    : new HttpError(500, 'ERR_HEALTH_NOT_READY', 'dapr is not ready: [database]');
}

/**
 * Keeps web pages away from a sidecar on the user's own machine: a page can send requests there, or point its own name at
 * 127.0.0.1, but it cannot hide its Origin nor the Host it used. daprd does not check this.
 */
function refuseForeignPages({ headers: { host = '', origin } }: IncomingMessage): void {
  if (!isLoopback(host.replace(/:\d+$/u, ''))) {
    throw new HttpError(403, 'ERR_FORBIDDEN', 'this sidecar answers to loopback host names only');
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new HttpError(403, 'ERR_FORBIDDEN', 'this sidecar does not answer to other origins');
  }
}

function singleHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function send(response: ServerResponse, { status, body }: Reply): void {
  response.statusCode = status;
  if (body === undefined) {
    response.end();
    return;
  }
  const isText = typeof body === 'string';
  response.setHeader('Content-Type', isText ? 'text/plain; charset=utf-8' : 'application/json');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.end(isText ? body : JSON.stringify(body));
}

function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', (cause) => {
    const message = `cannot listen on ${toAddress(host, port)}: ${cause.message}`;
    reject(new SidecarError('ADDRESS_UNAVAILABLE', message, { cause }));
  });
  server.listen(port, host, () => {
    const address = server.address();
    resolve(typeof address === 'object' && address !== null ? address.port : port);
  });
  return promise;
}

async function close(server: Server, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const force = setTimeout(() => server.closeAllConnections(), graceMs);
  await promise;
  clearTimeout(force);
}
