import type { Request, RequestHandler, Response } from 'express';
import { MeshError } from '../../mesh-error.ts';
import { activateExtensions, callOf, checkVersion } from './call-context.ts';
import { restErrorBody, toWireError } from './error-mapping.ts';
import { writeEventStream } from './event-stream.ts';
import { type BindingOptions, sendJson } from './json-rpc.ts';
import type { OperationName } from './operations.ts';

type Json = Record<string, unknown>;

interface Route {
  readonly methods: readonly string[];
  readonly path: RegExp;
  readonly operation: OperationName;
}

/** Paths of the HTTP+JSON binding (A2A specification, 11.3). `:subscribe` is POST there and GET in the .proto file. */
const routes: readonly Route[] = [
  { methods: ['POST'], path: /^\/message:send$/u, operation: 'SendMessage' },
  { methods: ['POST'], path: /^\/message:stream$/u, operation: 'SendStreamingMessage' },
  { methods: ['GET'], path: /^\/tasks$/u, operation: 'ListTasks' },
  { methods: ['GET'], path: /^\/tasks\/(?<id>[^/:]+)$/u, operation: 'GetTask' },
  { methods: ['POST'], path: /^\/tasks\/(?<id>[^/:]+):cancel$/u, operation: 'CancelTask' },
  { methods: ['GET', 'POST'], path: /^\/tasks\/(?<id>[^/:]+):subscribe$/u, operation: 'SubscribeToTask' },
  {
    methods: ['POST'],
    path: /^\/tasks\/(?<taskId>[^/:]+)\/pushNotificationConfigs$/u,
    operation: 'CreateTaskPushNotificationConfig',
  },
  {
    methods: ['GET'],
    path: /^\/tasks\/(?<taskId>[^/:]+)\/pushNotificationConfigs$/u,
    operation: 'ListTaskPushNotificationConfigs',
  },
  {
    methods: ['GET'],
    path: /^\/tasks\/(?<taskId>[^/:]+)\/pushNotificationConfigs\/(?<id>[^/:]+)$/u,
    operation: 'GetTaskPushNotificationConfig',
  },
  {
    methods: ['DELETE'],
    path: /^\/tasks\/(?<taskId>[^/:]+)\/pushNotificationConfigs\/(?<id>[^/:]+)$/u,
    operation: 'DeleteTaskPushNotificationConfig',
  },
  { methods: ['GET'], path: /^\/extendedAgentCard$/u, operation: 'GetExtendedAgentCard' },
];

/** The HTTP+JSON binding (A2A specification, section 11). */
export function createRestHandler(options: BindingOptions): RequestHandler {
  return async (request, response) => {
    try {
      await serve(options, request, response);
    } catch (error) {
      const wire = toWireError(error);
      if (wire.isInternal) options.logger.error({ err: error }, 'a request failed');
      if (wire.httpStatus === 429) response.setHeader('Retry-After', '1');
      sendJson(response, wire.httpStatus, restErrorBody(wire), contentTypeFor(request));
    }
  };
}

async function serve(options: BindingOptions, request: Request, response: Response): Promise<void> {
  const { route, pathParams } = findRoute(request, response);
  checkVersion(request);
  activateExtensions(request, response);
  const params = { ...bodyOf(request), ...queryOf(request), ...pathParams };
  const call = callOf(request, response, options.callerOf(request));
  const operation = options.operations[route.operation];
  if (operation.kind === 'stream') {
    await writeEventStream(response, operation.run(params, call), {
      keepaliveMs: options.keepaliveMs,
      wrap: (event) => event,
      wrapError: (error) => restErrorBody(toWireError(error)),
    });
    return;
  }
  sendJson(response, 200, (await operation.run(params, call)) ?? {}, contentTypeFor(request));
}

function findRoute(request: Request, response: Response): { route: Route; pathParams: Json } {
  const path = request.path.length > 1 ? request.path.replace(/\/$/u, '') : request.path;
  const matching = routes.flatMap((route) => {
    const groups = route.path.exec(path);
    return groups ? [{ route, pathParams: decodeAll(groups.groups ?? {}) }] : [];
  });
  const found = matching.find(({ route }) => route.methods.includes(request.method));
  if (found) return found;
  if (matching.length === 0) throw new MeshError('NOT_FOUND', 'there is no such resource');
  response.setHeader('Allow', matching.flatMap(({ route }) => route.methods).join(', '));
  throw new MeshError('METHOD_NOT_ALLOWED', `${request.method} is not possible here`);
}

function decodeAll(groups: Readonly<Record<string, string>>): Json {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch (cause) {
    throw new MeshError('INVALID_ARGUMENT', 'the path is not correctly escaped', { cause });
  }
}

function bodyOf(request: Request): Json {
  const body: unknown = request.body;
  if (body === undefined) return {};
  // An object that is no list is indexable by string.
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Json;
  throw new MeshError('INVALID_ARGUMENT', 'the body must be a JSON object');
}

const numbers = new Set(['historyLength', 'history_length', 'pageSize', 'page_size']);
const booleans = new Set(['includeArtifacts', 'include_artifacts']);

/** Query parameters are text; those of another type are converted, and left as they are where that is not possible. */
function queryOf(request: Request): Json {
  return Object.fromEntries(
    Object.entries(request.query).map(([name, value]) => {
      if (numbers.has(name) && typeof value === 'string' && /^-?\d+$/.test(value)) return [name, Number(value)];
      if (booleans.has(name) && (value === 'true' || value === 'false')) return [name, value === 'true'];
      return [name, value];
    }),
  );
}

/** The Go client reads errors as application/json only, so the specified type is sent to whoever asks for it. */
const contentTypeFor = (request: Request): string =>
  request.get('accept')?.includes('application/a2a+json') ? 'application/a2a+json' : 'application/json';
