import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A proxy in front of an agent that breaks the connection of some messages. */
export interface CuttingProxy extends AsyncDisposable {
  url: string;
  /** The origin it forwards to. */
  target: string;
  /** What happens to the next messages: lost before they arrive, or arrived but never answered. */
  cut: 'before' | 'after' | undefined;
  /** Whether ListTasks is refused, as by an agent that has none. */
  refuseLists: boolean;
  /** How often each method was called. */
  readonly calls: Map<string, number>;
  /** The context that each message named. */
  readonly contexts: (string | undefined)[];
}

export async function startCuttingProxy(): Promise<CuttingProxy> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await buffer(incoming);
      const method = /"method":"(\w+)"/u.exec(body.toString())?.[1] ?? '';
      proxy.calls.set(method, (proxy.calls.get(method) ?? 0) + 1);
      if (method === 'SendMessage') proxy.contexts.push(/"contextId":"([^"]+)"/u.exec(body.toString())?.[1]);
      const cut = method === 'SendMessage' ? proxy.cut : undefined;
      if (cut === 'before') {
        incoming.socket.destroy();
        return;
      }
      if (method === 'ListTasks' && proxy.refuseLists) {
        const error = { code: -32601, message: 'no such method' };
        outgoing.setHeader('content-type', 'application/json');
        outgoing.end(JSON.stringify({ jsonrpc: '2.0', id: 1, error }));
        return;
      }
      const { host: _host, ...headers } = incoming.headers;
      const forwarded = httpRequest(`${proxy.target}${incoming.url ?? ''}`, {
        method: incoming.method ?? 'GET',
        headers,
      });
      forwarded.on('response', (response) => {
        if (cut === 'after') {
          response.resume();
          incoming.socket.destroy();
          return;
        }
        outgoing.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(outgoing);
      });
      forwarded.on('error', () => incoming.socket.destroy());
      forwarded.end(body);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${port}`,
    target: '',
    cut: undefined,
    refuseLists: false,
    calls: new Map(),
    contexts: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
