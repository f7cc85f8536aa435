import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A dashboard outside the mesh: a webhook that gets the coordinator's CloudEvents. An event that comes twice counts once. */
export class Dashboard implements AsyncDisposable {
  readonly #server = createServer((request, response) => {
    void json(request).then((event) => {
      this.#take(event);
      response.writeHead(204).end();
    });
  });
  readonly #events = new Map<string, { type: string; subject: string }>();

  static async start(): Promise<Dashboard> {
    const dashboard = new Dashboard();
    await once(dashboard.#server.listen(0, '127.0.0.1'), 'listening');
    return dashboard;
  }

  get url(): string {
    // A TCP server has an address of this type.
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/`;
  }

  /** The types of the events about something, in the order they came. */
  typesAbout(subject: string): string[] {
    return [...this.#events.values()].filter((event) => event.subject === subject).map(({ type }) => type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #take(event: unknown): void {
    // A CloudEvent, which has these fields.
    const { id, type, subject } = event as Record<'id' | 'type' | 'subject', string>;
    if (!this.#events.has(id)) this.#events.set(id, { type, subject });
  }
}
