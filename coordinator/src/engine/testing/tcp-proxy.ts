import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A way to a server that can go dead without an end: `freeze` leaves every connection open and passes nothing on, as a
 * cable that is pulled or a machine that vanished. Connections that were frozen stay so.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isFrozen = false;
  /** How many connections were accepted. */
  accepted = 0;
  address = '';

  static async start(target: string): Promise<TcpProxy> {
    const [host, port] = target.split(':');
    const proxy = new TcpProxy((socket) => proxy.#forward(socket, Number(port), host ?? ''));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    const bound = proxy.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a port was expected');
    proxy.address = `127.0.0.1:${bound.port}`;
    return proxy;
  }

  private constructor(accept: (socket: Socket) => void) {
    this.#server = createServer(accept);
  }

  /** How many connections clients have open. */
  get open(): number {
    return this.#sockets.size;
  }

  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) socket.emit('freeze');
  }

  /** New connections are passed on again. */
  thaw(): void {
    this.#isFrozen = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(socket: Socket, port: number, host: string): void {
    this.accepted++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    if (this.#isFrozen) {
      // Read, so that its end is seen.
      socket.resume();
      return;
    }
    const upstream = connect(port, host);
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
    socket.on('freeze', () => {
      socket.unpipe(upstream).resume();
      upstream.unpipe(socket).resume();
      // The server does not learn of it either.
      upstream.removeAllListeners('close');
    });
  }
}
