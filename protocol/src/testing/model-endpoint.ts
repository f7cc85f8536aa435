import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the endpoint does with one request. */
export type ModelReply =
  | { status: number }
  /** Streams this answer, in pieces, with a pause before each. */
  | { answer: string; pauseMs?: number }
  /** Takes the request and never answers. */
  | { silent: true };

/** A running endpoint. */
export interface ModelEndpoint extends AsyncDisposable {
  /** For `OPENAI_BASE_URL`. */
  baseUrl: string;
  /** The bodies of the requests, in order. */
  readonly requests: readonly Record<string, unknown>[];
}

/**
 * A local HTTP server that speaks OpenAI's Chat Completions, streamed and not, and does what a script says, one reply a
 * request; the last reply is repeated. It shows an agent's behaviour with a model that is slow, fails or talks nonsense.
 */
export async function startModelEndpoint(...script: [ModelReply, ...ModelReply[]]): Promise<ModelEndpoint> {
  const requests: Record<string, unknown>[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    // The client of the SDK sends JSON objects only.
    const body = JSON.parse(text) as Record<string, unknown>;
    const reply = script[Math.min(requests.length, script.length - 1)] ?? { status: 500 };
    requests.push(body);
    await answer(response, body, reply);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(response: ServerResponse, body: Record<string, unknown>, reply: ModelReply): Promise<void> {
  if ('silent' in reply) return;
  if ('status' in reply) {
    response.writeHead(reply.status, { 'content-type': 'application/json', 'retry-after-ms': '1' });
    response.end(JSON.stringify({ error: { message: `status ${reply.status}`, type: 'test' } }));
    return;
  }
  const base = { id: 'chatcmpl-1', created: 0, model: body['model'] };
  const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: reply.answer };
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        ...base,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage,
      }),
    );
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (fields: object): boolean =>
    response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...fields })}\n\n`);
  for (const content of reply.answer.match(/[\s\S]{1,12}/g) ?? []) {
    if (reply.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, reply.pauseMs));
    send({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] });
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}
