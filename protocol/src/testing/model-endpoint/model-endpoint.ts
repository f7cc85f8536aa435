import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { chatCompletions } from './chat-completions.ts';
import type { ModelReply, SpokenReply, WireFormat } from './model-reply.ts';
import { responses } from './responses.ts';

/** One request that came in. */
export interface SeenRequest {
  path: string;
  atMs: number;
  body: Record<string, unknown>;
}

/** A running endpoint. */
export interface ModelEndpoint extends AsyncDisposable {
  /** For `OPENAI_BASE_URL`. */
  baseUrl: string;
  /** The bodies of the requests since the last `play`, in order. */
  readonly requests: readonly Record<string, unknown>[];
  /** The same requests with their paths and times. */
  readonly seen: readonly SeenRequest[];
  /** Starts another script. */
  play(...script: [ModelReply, ...ModelReply[]]): void;
}

const formats: Record<string, WireFormat> = { '/v1/chat/completions': chatCompletions, '/v1/responses': responses };

/**
 * A local HTTP server that speaks OpenAI's Chat Completions and Responses, streamed and not, and does what a script says,
 * one reply a request; the last reply is repeated. It shows an agent's behaviour with a model that is slow, fails,
 * refuses or talks nonsense.
 */
export async function startModelEndpoint(...script: [ModelReply, ...ModelReply[]]): Promise<ModelEndpoint> {
  let replies = script;
  let seen: SeenRequest[] = [];
  let calls = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    // The client of the SDK sends JSON objects only.
    const body = JSON.parse(text) as Record<string, unknown>;
    const reply = replies[Math.min(seen.length, replies.length - 1)] ?? { status: 500 };
    seen.push({ path: request.url ?? '', atMs: performance.now(), body });
    if ('silent' in reply) return;
    if ('status' in reply) return refuse(response, reply);
    const format = formats[request.url ?? ''];
    if (!format) return refuse(response, { status: 404 });
    const spoken =
      'calls' in reply ? { calls: reply.calls.map((call) => ({ id: `call-${(calls += 1)}`, ...call })) } : reply;
    await (body['stream'] === true
      ? stream(response, format, spoken, body['model'])
      : sendJson(response, 200, format.toBody(spoken, body['model'])));
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    get requests() {
      return seen.map(({ body }) => body);
    },
    get seen() {
      return seen;
    },
    play(...next) {
      replies = next;
      seen = [];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(response: ServerResponse, { status, retryAfter }: { status: number; retryAfter?: string }): void {
  if (retryAfter === undefined) response.setHeader('retry-after-ms', '1');
  else response.setHeader('retry-after', retryAfter);
  sendJson(response, status, { error: { message: `status ${status}`, type: 'test' } });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function stream(response: ServerResponse, format: WireFormat, reply: SpokenReply, model: unknown): Promise<void> {
  const { pauseMs = 0, fault } = 'answer' in reply ? reply : {};
  const events = format.toEvents(reply, model);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of fault ? events.slice(0, events.length / 2) : events) {
    if (pauseMs > 0) await delay(pauseMs);
    response.write(`data: ${event}\n\n`);
  }
  switch (fault) {
    case 'stall':
      return;
    case 'cut':
      response.write('data: {"id":"ch', () => response.destroy());
      return;
    case 'garbage':
      response.end('data: {"id":\n\n');
      return;
    case 'unfinished':
    case undefined:
      response.end();
  }
}
