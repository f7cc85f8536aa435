import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { collect } from '../testing/collect.ts';
import { type HttpRequest, nodeHttpClient } from './http-client.ts';

let close: () => void = () => undefined;
afterEach(() => close());

/** A server, the number of connections it has had, and a request to it. */
async function serve(listener: RequestListener) {
  const server = createServer(listener);
  const seen = { connections: 0 };
  server.on('connection', () => seen.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  const request: HttpRequest = {
    method: 'POST',
    // A listening TCP server has an address object.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    headers: {},
    body: '{"é":1}',
    connectTimeoutMs: 1_000,
    timeoutMs: 5_000,
    maxBodyBytes: 1_000,
  };
  return { seen, request };
}

it('reuses its connection, unless a fresh one is asked for', async () => {
  const { seen, request } = await serve((incoming, response) => incoming.pipe(response));
  for (let count = 0; count < 3; count++) expect((await nodeHttpClient.fetch(request)).body).toBe('{"é":1}');
  expect(seen.connections).toBe(1);
  await nodeHttpClient.fetch({ ...request, freshConnection: true });
  expect(seen.connections).toBe(2);
});

it('reads no more than it may', async () => {
  const { request } = await serve((_incoming, response) => response.end('x'.repeat(1_001)));
  await expect(nodeHttpClient.fetch(request)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  expect((await nodeHttpClient.fetch({ ...request, maxBodyBytes: 1_001 })).body).toHaveLength(1_001);
});

it.each([301, 302, 303, 307, 308])('follows no redirect: %d', async (status) => {
  let requests = 0;
  const { request } = await serve((_incoming, response) => {
    requests++;
    response.writeHead(status, { location: '/' }).end();
  });
  await expect(nodeHttpClient.fetch(request)).rejects.toMatchObject({ code: 'PEER_FAILED', details: { status } });
  expect(requests).toBe(1);
});

it('tells a response that breaks off from one that ends', async () => {
  const { request } = await serve((_incoming, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  await expect(nodeHttpClient.fetch(request)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    details: { sent: true },
  });
});

it('ends a stream that is silent for too long, but not one that keeps itself alive', async () => {
  const { request } = await serve((incoming, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
    if (incoming.url === '/silent') return;
    let count = 0;
    const timer = setInterval(() => {
      if (++count < 6) response.write(': keepalive\n\n');
      else response.end();
    }, 50);
    response.once('close', () => clearInterval(timer));
  });
  const read = async (path: string) => {
    const stream = await nodeHttpClient.stream({ ...request, url: new URL(path, request.url).href }, 200);
    return typeof stream.body === 'string' ? stream.body : Buffer.concat(await collect(stream.body)).toString();
  };
  expect(await read('/alive')).toContain('keepalive');
  await expect(read('/silent')).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining('silent for 200 ms'),
  });
});

it('knows that nothing was sent where no connection came to stand', async () => {
  const { request } = await serve(() => undefined);
  close();
  for (const url of [request.url, 'http://no-such-host.invalid/']) {
    await expect(nodeHttpClient.fetch({ ...request, url, freshConnection: true })).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      retryable: true,
      details: { sent: false },
    });
  }
});
