import { isIP } from 'node:net';
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { isMeshError, MeshError } from '../../mesh-error.ts';
import { type Callers, localCaller, sidecarCaller } from '../callers.ts';
import { restErrorBody, toWireError } from './error-mapping.ts';
import { sendJson, unreadableBody } from './json-rpc.ts';

/** Whether only this machine can reach a host. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/gu, '');
  if (bare === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

/**
 * Keeps web pages away from servers on the user's own machine: a page can send requests there, or point its own name at
 * 127.0.0.1, but it cannot hide its Origin nor the Host it used. A reverse proxy on this machine passes its public name.
 * @param publicUrl The origin others reach this server at, where that is not the one it listens on.
 */
export function refuseForeignPages(publicUrl: string | undefined): RequestHandler {
  const known = publicUrl === undefined ? undefined : new URL(publicUrl);
  return (request, _response, next) => {
    const { host = '', origin } = request.headers;
    const isKnownHost = host !== '' && host === known?.host;
    if (!isKnownHost && !isLoopback(hostname(host))) {
      throw new MeshError('FORBIDDEN', 'this server answers to its own host names only');
    }
    if (origin !== undefined && origin !== `http://${host}` && origin !== known?.origin) {
      throw new MeshError('FORBIDDEN', 'this server does not answer to other origins');
    }
    next();
  };
}

const hostname = (host: string): string => host.replace(/:\d+$/u, '');

/** Where a Dapr sidecar delivers events. */
const eventsPath = '/events';

/**
 * Demands the token of a known caller and tells whose a request brought as bearer. Without known callers all are local.
 * In the header in which a Dapr sidecar shows the token of its app (APP_API_TOKEN) it lets events in only, and proves no
 * name: the sidecar shows it on behalf of everybody who can reach it.
 */
export function recognizeCaller(callers: Callers): {
  authenticate: RequestHandler;
  callerOf: (request: Request) => string;
} {
  const names = new WeakMap<Request, string>();
  const recognize = (request: Request): string | undefined => {
    const bearer = /^Bearer (?<token>.+)$/iu.exec(request.get('authorization') ?? '')?.groups?.['token'];
    if (bearer !== undefined) return callers.authenticate(bearer);
    const shown = request.get('dapr-api-token');
    if (shown === undefined || request.method !== 'POST' || request.path !== eventsPath) return undefined;
    return callers.authenticate(shown) === undefined ? undefined : sidecarCaller;
  };
  return {
    authenticate: (request, response, next) => {
      if (callers.areKnown) {
        const name = recognize(request);
        if (name === undefined) {
          response.setHeader('WWW-Authenticate', 'Bearer');
          throw new MeshError('UNAUTHENTICATED', 'a bearer token is required');
        }
        names.set(request, name);
      }
      next();
    },
    callerOf: (request) => names.get(request) ?? localCaller,
  };
}

const checkContentType: RequestHandler = (request, _response, next) => {
  const type = request.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  const isA2a = request.path.startsWith('/a2a/');
  if (hasBody(request) && !(isA2a ? a2aTypes.has(type) : /^application\/(?:[\w.-]+\+)?json$/u.test(type))) {
    throw new MeshError('CONTENT_TYPE_NOT_SUPPORTED', 'the body must be application/json', {
      details: { contentType: type.slice(0, 100) },
    });
  }
  next();
};

const a2aTypes = new Set(['application/json', 'application/a2a+json']);

/** Reads JSON bodies up to a limit. Other content types are refused: a page may send those without asking first. */
export function readJsonBody(limitBytes: number): RequestHandler[] {
  return [checkContentType, express.json({ limit: limitBytes, type: () => true, strict: false })];
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** The last handler but one: what no route took. */
export const refuseUnknown: RequestHandler = () => {
  throw new MeshError('NOT_FOUND', 'there is no such page');
};

/** Turns everything that was thrown before or outside a binding into JSON. */
export function answerErrors(logger: Logger): ErrorRequestHandler {
  // Express recognizes error handlers by their four parameters.
  return (error: unknown, request, response, _next) => {
    const known = fromBodyParser(error) ?? error;
    const wire = toWireError(known);
    if (wire.isInternal) logger.error({ err: error }, 'a request failed');
    // What is still coming is read and dropped, so that the client gets to see the answer.
    request.resume();
    if (wire.httpStatus === 413) response.setHeader('Connection', 'close');
    if (wire.httpStatus === 429) response.setHeader('Retry-After', '1');
    const isJsonRpc = request.path.startsWith('/a2a/jsonrpc') && isMeshError(known);
    const isParseError = isJsonRpc && known.code === 'INVALID_ARGUMENT';
    sendJson(
      response,
      isParseError ? 200 : wire.httpStatus,
      isJsonRpc ? unreadableBody(known, wire) : restErrorBody(wire),
    );
  };
}

/** Errors of Express's body parser, by their `type`. */
function fromBodyParser(error: unknown): MeshError | undefined {
  if (!(error instanceof Error) || !('type' in error)) {
    return error instanceof URIError
      ? new MeshError('INVALID_ARGUMENT', 'the path is not correctly escaped')
      : undefined;
  }
  switch (error.type) {
    case 'entity.too.large':
      return new MeshError('PAYLOAD_TOO_LARGE', 'the body is too large');
    case 'entity.parse.failed':
      return new MeshError('INVALID_ARGUMENT', 'the body is not valid JSON');
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new MeshError('CONTENT_TYPE_NOT_SUPPORTED', 'the encoding of the body is not supported');
    case 'request.size.invalid':
    case 'request.aborted':
    case 'stream.encoding.set':
    case 'stream.not.readable':
      return new MeshError('INVALID_ARGUMENT', 'the body could not be read');
    default:
      return undefined;
  }
}
