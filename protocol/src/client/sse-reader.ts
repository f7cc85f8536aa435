import { MeshError } from '../mesh-error.ts';

/** One server-sent event. */
export interface ServerSentEvent {
  /** The `id:` field; undefined where the server sends none. */
  id: string | undefined;
  data: string;
}

/**
 * Reads server-sent events (WHATWG HTML, section 9.2) from the chunks of a body, with their ids, which the SDK's parser
 * drops. Comments are skipped: they only keep the connection alive.
 * @throws MeshError `PAYLOAD_TOO_LARGE` when one event is longer than `maxEventBytes`.
 */
export async function* readServerSentEvents(
  chunks: AsyncIterable<Buffer>,
  maxEventBytes: number,
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let event = new PendingEvent(maxEventBytes);
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    event.checkSize(rest.length);
    for (const line of lines) {
      if (line !== '') {
        event.addLine(line);
        continue;
      }
      const complete = event.complete();
      event = new PendingEvent(maxEventBytes);
      if (complete) yield complete;
    }
  }
}

class PendingEvent {
  readonly #maxBytes: number;
  #size = 0;
  #id: string | undefined;
  readonly #data: string[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  checkSize(more: number): void {
    if (this.#size + more <= this.#maxBytes) return;
    throw new MeshError('PAYLOAD_TOO_LARGE', `the peer sent an event of more than ${this.#maxBytes} bytes`);
  }

  addLine(line: string): void {
    this.checkSize(line.length);
    this.#size += line.length;
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  complete(): ServerSentEvent | undefined {
    return this.#data.length === 0 ? undefined : { id: this.#id, data: this.#data.join('\n') };
  }
}
