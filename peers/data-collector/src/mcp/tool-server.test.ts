import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/server';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { dialUrl } from './dial.ts';
import { ToolServer } from './tool-server.ts';

/** An MCP server over HTTP that keeps sessions, and forgets them when it ends. */
async function startServer(port = 0): Promise<{ port: number } & AsyncDisposable> {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const open = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    const server = new McpServer({ name: 'echo', version: '1.0.0' });
    server.registerTool('echo', {}, () => ({ content: [{ type: 'text', text: 'hello' }] }));
    await server.connect(transport);
    return transport;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = request.headers['mcp-session-id'];
    const known = sessions.get(String(id));
    if (id !== undefined && !known) response.writeHead(404).end();
    else await (known ?? (await open())).handleRequest(request, response);
  };
  const http = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
  return {
    // A server that listens on a port has an address of this kind.
    port: (http.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

it('goes on with a server over HTTP that was started again and knows its session no more', async () => {
  const first = await startServer();
  const { port } = first;
  const tools = new ToolServer({
    name: 'echo',
    tools: ['echo'],
    timeoutMs: 10_000,
    logger: pino({ level: 'silent' }),
    dial: () => dialUrl(`http://127.0.0.1:${port}/mcp`, undefined),
  });
  const call = () => tools.call('echo', {}, new AbortController().signal);
  expect((await call()).text).toBe('hello');
  await first[Symbol.asyncDispose]();
  const second = await startServer(port);
  expect((await call()).text).toBe('hello');
  await second[Symbol.asyncDispose]();
  await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  const third = await startServer(port);
  expect((await call()).text).toBe('hello');
  await tools.close();
  await third[Symbol.asyncDispose]();
});
