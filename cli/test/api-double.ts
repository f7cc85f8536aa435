import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A request as the command line made it. */
export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

/** What is answered: a JSON value with a status, a text, or server-sent events after which the connection ends. */
export type Reply = { status: number; json: unknown } | { text: string } | { events: { seq: number }[] };

/** Stands in for a coordinator where a test is about the command line's side of the HTTP API. */
export interface ApiDouble extends AsyncDisposable {
  url: string;
  seen: Seen[];
}

/** Starts a server that answers by `METHOD /path`; what is not listed is a 404 problem document. */
export async function startApiDouble(replies: Record<string, (seen: Seen) => Reply>): Promise<ApiDouble> {
  const seen: Seen[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const entry: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    seen.push(entry);
    const reply =
      replies[`${entry.method} ${entry.path}`]?.(entry) ?? problem(404, 'NOT_FOUND', 'there is no such thing');
    if ('events' in reply) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of reply.events) response.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
      response.end(': the connection ends here\n\n');
      return;
    }
    if ('text' in reply) {
      response.writeHead(200, { 'content-type': 'text/html' }).end(reply.text);
      return;
    }
    const type = reply.status < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(reply.status, { 'content-type': type }).end(JSON.stringify(reply.json));
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

/** A problem document. */
export const problem = (status: number, code: string, detail: string): Reply => ({
  status,
  json: { type: `urn:daca-mesh:error:${code}`, title: code, status, code, detail, retryable: false },
});

/** A successful reply. */
export const ok = (json: unknown, status = 200): Reply => ({ status, json });
