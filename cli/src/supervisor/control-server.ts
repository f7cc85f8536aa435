import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { ProcessInfo } from '../mesh-state.ts';

/** What can be asked of a running `mesh up`. */
export interface Controlled {
  readonly processes: ProcessInfo[];
  kill(name: string, options: { down: boolean }): Promise<ProcessInfo>;
  restart(name: string, env: Readonly<Record<string, string>>): Promise<ProcessInfo>;
}

export interface ControlServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * The door through which `mesh ps`, `kill` and `restart` reach the supervisor: HTTP on a loopback port of its own. The
 * token is in the state file, which only the mesh's owner can read; without it nothing is answered, so neither another
 * user of this machine nor a web page gets in.
 */
export async function startControlServer(mesh: Controlled, token: string): Promise<ControlServer> {
  const server = createServer((request, response) => {
    void answer(mesh, token, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function answer(mesh: Controlled, token: string, request: IncomingMessage, response: ServerResponse) {
  try {
    if (!isAuthorized(request, token)) throw new MeshError('UNAUTHENTICATED', 'the control token is missing or wrong');
    send(response, 200, await act(mesh, request));
  } catch (error) {
    const { code, message } = isMeshError(error) ? error : { code: 'INTERNAL', message: String(error) };
    send(response, code === 'UNAUTHENTICATED' ? 401 : 409, { code, detail: message });
  }
}

async function act(mesh: Controlled, request: IncomingMessage): Promise<unknown> {
  const { method = '' } = request;
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, collection, name, action] = url.pathname.split('/');
  const operation = [method, collection, action].filter((part) => part !== undefined).join(' ');
  switch (operation) {
    case 'GET processes':
      return { processes: mesh.processes };
    case 'POST processes kill':
      return mesh.kill(decodeURIComponent(name ?? ''), { down: url.searchParams.get('down') === 'true' });
    case 'POST processes restart':
      return mesh.restart(decodeURIComponent(name ?? ''), await readEnvironment(request));
    default:
      throw new MeshError('NOT_FOUND', `there is no ${method} ${url.pathname} here`);
  }
}

/** What the system lets the environment of a process be. */
const Restart = z.strictObject({
  env: z.record(
    z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/),
    z
      .string()
      .max(4_096)
      .regex(/^[^\0]*$/),
  ),
});

async function readEnvironment(request: IncomingMessage): Promise<Record<string, string>> {
  const parsed = Restart.safeParse(await json(request).catch(() => undefined));
  if (parsed.success) return parsed.data.env;
  throw new MeshError('INVALID_ARGUMENT', z.prettifyError(parsed.error));
}

function isAuthorized(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
