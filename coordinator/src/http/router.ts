import { MeshError } from '@daca-mesh/protocol';
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { toMeshError, toProblem } from './problem.ts';
import type { Route, RouteCall } from './route.ts';

/** What the router needs beside its routes. */
export interface RouterOptions {
  /** Who sent a request: the principal of its token, or `local`. */
  callerOf: (request: Request) => string;
  /** Aborts when the server closes: streams and long polls end. */
  signal: AbortSignal;
}

/**
 * Mounts the routes: every request is checked against its route's schemas. A known path with another method is 405;
 * unknown paths are left to whoever mounts the router, and so is reading bodies and answering errors.
 */
export function createRouter(routes: readonly Route[], options: RouterOptions): Router {
  const router = express.Router({ caseSensitive: true });
  for (const route of routes) router[route.method](toExpressPath(route.path), serve(route, options));
  for (const [path, methods] of methodsByPath(routes)) router.all(toExpressPath(path), refuseMethod(methods));
  return router;
}

const toExpressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

function methodsByPath(routes: readonly Route[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) {
    methods.set(path, [...(methods.get(path) ?? []), method.toUpperCase(), ...(method === 'get' ? ['HEAD'] : [])]);
  }
  return methods;
}

const refuseMethod =
  (methods: string[]): RequestHandler =>
  (request, response) => {
    const allow = methods.join(', ');
    response.set('Allow', allow);
    throw new MeshError('METHOD_NOT_ALLOWED', `${request.method} is not possible here; use ${allow}`);
  };

const serve =
  (route: Route, options: RouterOptions): RequestHandler =>
  async (request, response) => {
    const closed = new AbortController();
    response.on('close', () => {
      // Making the reason costs more than routing the request, and nobody waits once the reply is complete.
      if (!response.writableFinished) closed.abort();
    });
    const call: RouteCall<unknown, unknown, unknown, unknown> = {
      params: check(route.params, request.params, ''),
      query: check(route.query, request.query, ''),
      headers: check(route.headers, request.headers, ''),
      body: checkBody(route, request),
      caller: options.callerOf(request),
      signal: AbortSignal.any([options.signal, closed.signal]),
    };
    const reply = await route.handle(call, response);
    if (!reply || response.headersSent || response.destroyed) return;
    response
      .status(reply.status)
      .set(reply.headers ?? {})
      .json(reply.body);
  };

function checkBody({ body }: Route, request: Request): unknown {
  if (!body) return undefined;
  if (hasBody(request)) return check(body.schema, request.body, 'body');
  if (!body.required) return undefined;
  const violations = [{ path: 'body', message: 'is missing' }];
  throw new MeshError('INVALID_ARGUMENT', 'a JSON body is needed', { details: { violations } });
}

/** Express makes an empty object of a body that is empty. */
const hasBody = ({ headers }: Request): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** @throws MeshError `INVALID_ARGUMENT` with the path of everything that does not fit. */
function check(schema: z.ZodType | undefined, value: unknown, root: string): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const violations = parsed.error.issues.slice(0, 20).map(({ path, message }) => ({
    path: path.length > 0 ? toPath(path) : root,
    message,
  }));
  const summary = violations.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  throw new MeshError('INVALID_ARGUMENT', summary, { details: { violations } });
}

const toPath = (path: readonly PropertyKey[]): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('');

/** The one place where an error becomes a response. The four parameters make it an error handler for Express. */
export const reportProblem =
  (logger: Logger): ErrorRequestHandler =>
  (thrown: unknown, request: Request, response: Response, _next) => {
    const error = toMeshError(thrown);
    if (error.code === 'INTERNAL') logger.error({ err: thrown, path: request.path }, 'request failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const problem = toProblem(error);
    // What is still coming is read and dropped, so that the client gets to see the answer.
    request.resume();
    if (problem.status === 413) response.set('Connection', 'close');
    if (problem.retryable) response.set('Retry-After', '1');
    // Express would add a charset, which a JSON type does not have.
    response.status(problem.status).setHeader('Content-Type', 'application/problem+json');
    response.end(JSON.stringify(problem));
  };
