import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AgentCard } from '@a2a-js/sdk';
import express, { type ErrorRequestHandler, type Express, type Request, type Router } from 'express';
import type { Logger } from 'pino';
import { announcePresence } from '../events/presence.ts';
import { MeshError } from '../mesh-error.ts';
import type { TaskLimits } from './core/core-services.ts';
import { openSqliteDatabase } from './database/sqlite-database.ts';
import type { Database } from './database/unit.ts';
import type { Principal } from '../principal.ts';
import { type Callers, createCallers } from './callers.ts';
import { completeCard, createCardHandler } from './http/card-handler.ts';
import { restErrorBody, toWireError } from './http/error-mapping.ts';
import {
  answerErrors,
  isLoopback,
  readJsonBody,
  refuseForeignPages,
  recognizeCaller,
  refuseUnknown,
} from './http/guards.ts';
import { createJsonRpcHandler, sendJson } from './http/json-rpc.ts';
import { createOperations } from './http/operations.ts';
import { createRestHandler } from './http/rest.ts';
import type { Skill, SkillDelays } from './skill.ts';
import { taskSchema } from './store/task-tables.ts';
import { createTaskCore, type TaskCore } from './task-core.ts';

const cardPath = '/.well-known/agent-card.json';

/** An agent, as {@link createAgentServer} takes it. */
export interface AgentServerOptions {
  /** Its interface URLs are replaced by those the server really has. */
  card: AgentCard;
  /** By skill id. */
  skills: Readonly<Record<string, Skill>>;
  logger: Logger;
  /** An open database with `taskSchema`, which stays open; or a file that is opened for this server and closed with it. */
  database: Database | { path: string; durability?: 'full' | 'normal' };
  /** What the skills work with: closed after the server, also when that cannot start. */
  resources?: AsyncDisposable;
  /** 127.0.0.1 by default. */
  host?: string;
  /** 0, any free port, by default. */
  port?: number;
  /** The origin in the card, where it is not the one listened on. */
  publicUrl?: string;
  /** The bearer token demanded on all edges but the card, /healthz and /readyz; required to listen beyond loopback. */
  token?: string;
  /** Those who have a token of their own; their names are their callers'. */
  principals?: readonly Principal[];
  /** Whose all tasks are, for an agent whose callers share them; by default a task is its caller's alone. */
  taskOwner?: string;
  /** Where the agent says that it is there (NATS); it says so to nobody by default. */
  natsUrl?: string;
  /** Further HTTP routes behind the same guards, for example an API of the agent's own. */
  routes?: (app: { core: TaskCore; url: string; callerOf: (request: Request) => string }) => Router;
  /** Answers errors of pages outside the A2A edges, in the form of the agent's own API; else they look like REST errors. */
  answerErrors?: ErrorRequestHandler;
  /** Whether a repeated messageId is recognized; true by default. */
  idempotency?: boolean;
  limits?: Partial<TaskLimits>;
  /** The largest body; 4 MiB by default. */
  maxBodyBytes?: number;
  /** Silence on a stream after which a comment is sent; 15 s by default. */
  keepaliveMs?: number;
  /** Slows executions down, for tests. */
  skillDelaysMs?: SkillDelays;
  /** Told of each stream that follows a task; what it returns is called at the stream's end. */
  onFollow?: (taskId: string) => () => void;
  /** What /readyz asks; an agent without it is ready when it listens. What it throws is logged, and counts as no. */
  ready?: () => Promise<boolean> | boolean;
}

/** A listening agent. */
export interface AgentServer extends AsyncDisposable {
  /** Its origin, without a trailing slash. */
  readonly url: string;
  readonly core: TaskCore;
  /** Resolves when a commit failed; the process must then stop and recover from disk. */
  readonly failed: Promise<MeshError>;
  /** Stops listening, aborts running skills (they run again at the next start), ends streams and closes the store. */
  close(): Promise<void>;
}

/**
 * Starts an agent: opens its store, takes up what an earlier process left behind, and listens.
 * @throws MeshError `FORBIDDEN` when it would listen beyond loopback without a token, `DATABASE_LOCKED`.
 */
export async function createAgentServer(options: AgentServerOptions): Promise<AgentServer> {
  await using owned = new AsyncDisposableStack();
  if (options.resources) owned.use(options.resources);
  const host = options.host ?? '127.0.0.1';
  const callers = createCallers(options);
  if (!isLoopback(host) && !callers.areKnown) {
    throw new MeshError('FORBIDDEN', `to listen on ${host}, a token is required (MESH_TOKEN)`);
  }
  const database = openDatabase(options.database, owned);
  const app = express();
  let isMounted = false;
  const server = createServer((request, response) => {
    if (isMounted) app(request, response);
    else answerStarting(response);
  });
  // Where it could not start; once it has, `closeOnce` ends it before what it owns.
  owned.defer(() => void server.close());
  const url = await listen(server, host, options.port ?? 0);
  const origin = (options.publicUrl ?? url).replace(/\/$/u, '');
  const card = completeCard(options.card, origin, callers.areKnown);
  const core = await createTaskCore({ ...options, database, card });
  mount(app, { ...options, host, callers, card, core, url: origin });
  isMounted = true;
  const presence = await announce(card.name, origin, options);
  const ownedByServer = owned.move();
  const close = closeOnce(server, core, {
    before: async () => presence?.[Symbol.asyncDispose](),
    after: () => ownedByServer.disposeAsync(),
  });
  return { url, core, failed: database.failed, close, [Symbol.asyncDispose]: close };
}

async function announce(
  name: string,
  url: string,
  { natsUrl, logger }: AgentServerOptions,
): Promise<AsyncDisposable | undefined> {
  return natsUrl === undefined ? undefined : announcePresence({ natsUrl, logger, name, url });
}

/** The port is known before the tasks of an earlier life are; whoever comes in between is asked to come again. */
function answerStarting(response: ServerResponse): void {
  const error = toWireError(new MeshError('UNAVAILABLE', 'the agent is starting', { retryable: true }));
  response.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': '1' });
  response.end(JSON.stringify(restErrorBody(error)));
}

function openDatabase(given: AgentServerOptions['database'], owned: AsyncDisposableStack): Database {
  return 'write' in given ? given : owned.use(openSqliteDatabase({ ...given, schemas: [taskSchema] }));
}

interface Mounted extends AgentServerOptions {
  host: string;
  callers: Callers;
  core: TaskCore;
  url: string;
}

function mount(app: Express, options: Mounted): void {
  const { core, logger, url } = options;
  app.disable('x-powered-by');
  app.disable('etag');
  // Probes of containers have no token, and the address of a container as host. They get to know the status, no more.
  app.get('/healthz', (_request, response) => sendJson(response, 200, { status: 'ok' }));
  app.get('/readyz', async (_request, response) => {
    const ready = await isReady(options);
    sendJson(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready' });
  });
  if (isLoopback(options.host)) app.use(refuseForeignPages(options.publicUrl));
  app.get(cardPath, createCardHandler(options.card));
  const { authenticate, callerOf } = recognizeCaller(options.callers);
  app.use(authenticate);
  app.use(readJsonBody(options.maxBodyBytes ?? 4 * 1024 * 1024));

  const binding = {
    operations: createOperations(core, options.card),
    callerOf,
    keepaliveMs: options.keepaliveMs ?? 15_000,
    logger,
  };
  app.post('/a2a/jsonrpc', createJsonRpcHandler(binding));
  app.all('/a2a/jsonrpc', (_request, response) => {
    response.setHeader('Allow', 'POST');
    throw new MeshError('METHOD_NOT_ALLOWED', 'JSON-RPC requests are sent by POST');
  });
  app.use('/a2a/rest', createRestHandler(binding));
  if (options.routes) app.use(options.routes({ core, url, callerOf }));
  app.get('/', (_request, response) => {
    const links = {
      card: `${url}${cardPath}`,
      jsonrpc: `${url}/a2a/jsonrpc`,
      rest: `${url}/a2a/rest`,
      health: `${url}/healthz`,
      ready: `${url}/readyz`,
    };
    sendJson(response, 200, { name: options.card.name, description: options.card.description, links });
  });
  app.use(refuseUnknown);
  if (options.answerErrors) app.use(outsideA2a(options.answerErrors));
  app.use(answerErrors(logger));
}

async function isReady({ ready, logger }: AgentServerOptions): Promise<boolean> {
  try {
    return (await ready?.()) ?? true;
  } catch (error) {
    logger.warn({ err: error }, 'the agent is not ready');
    return false;
  }
}

const outsideA2a =
  (handler: ErrorRequestHandler): ErrorRequestHandler =>
  (error, request, response, next) => {
    if (request.path.startsWith('/a2a/')) next(error);
    else handler(error, request, response, next);
  };

async function listen(server: Server, host: string, port: number): Promise<string> {
  server.headersTimeout = 15_000;
  server.requestTimeout = 60_000;
  server.keepAliveTimeout = 65_000;
  server.on('clientError', (_error, socket) => {
    const body = '{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"not a valid HTTP request","details":[]}}';
    const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    if (socket.writable) socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/** How long open connections may take to end after their tasks were let go. */
const connectionGraceMs = 2_000;

function closeOnce(
  server: Server,
  core: TaskCore,
  { before, after }: { before: () => Promise<void>; after: () => Promise<void> },
): () => Promise<void> {
  const close = async (): Promise<void> => {
    await before();
    const closed = once(server, 'close');
    server.close();
    await core.drain();
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const grace = setTimeout(() => server.closeAllConnections(), connectionGraceMs);
    await closed;
    clearInterval(idle);
    clearTimeout(grace);
    await after();
  };
  let closing: Promise<void> | undefined;
  return () => (closing ??= close());
}
