import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { MeshError } from '../mesh-error.ts';

/**
 * HTTP as a durable caller needs it, over `node:http` (a third of the processor time of `fetch`): connections are kept
 * alive, redirects refused, bodies bounded, and every failure says whether the request can have reached the peer.
 * A request counts as sent from the moment its connection stands, since from then on bytes may have left.
 */

/** One HTTP request. */
export interface HttpRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string | undefined;
  /** How long the connection may take. */
  connectTimeoutMs: number;
  /** How long the whole exchange may take; for a stream, until its headers are there. */
  timeoutMs: number;
  /** The largest body that is read; a longer one fails the call. */
  maxBodyBytes: number;
  /** Never reuses a connection: one the peer closed meanwhile would leave the outcome of the request unknown. */
  freshConnection?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A whole response. */
export interface HttpResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** A response whose body is still coming. */
export interface HttpStream {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: AsyncIterable<Buffer>;
}

/** What {@link AgentClient} needs of HTTP; a collaborator, so that a test can cut or delay it. */
export interface HttpClient {
  fetch(request: HttpRequest): Promise<HttpResponse>;
  /** Resolves as {@link fetch} does unless the response is an event stream; silence beyond `idleTimeoutMs` ends it. */
  stream(request: HttpRequest, idleTimeoutMs: number): Promise<HttpResponse | HttpStream>;
}

const plainAgent = new http.Agent({ keepAlive: true, scheduling: 'lifo' });
const secureAgent = new https.Agent({ keepAlive: true, scheduling: 'lifo' });

/** The client every {@link AgentClient} of the process shares, and with it the connections. */
export const nodeHttpClient: HttpClient = {
  async fetch(request) {
    const exchange = open(request);
    try {
      return await readWhole(await exchange.response, request);
    } catch (error) {
      throw exchange.explain(error);
    } finally {
      exchange.settle();
    }
  },
  async stream(request, idleTimeoutMs) {
    const exchange = open(request);
    try {
      const response = await exchange.response;
      if (!isEventStream(response)) return await readWhole(response, request);
      exchange.extend(idleTimeoutMs);
      return { status: response.statusCode ?? 0, headers: response.headers, body: readChunks(response, exchange) };
    } catch (error) {
      throw exchange.explain(error);
    } finally {
      exchange.settle();
    }
  },
};

interface Exchange {
  readonly response: Promise<IncomingMessage>;
  /** Turns whatever ended the exchange into the one error that says why. */
  explain(error: unknown): MeshError;
  /** Ends the time limit of the exchange. */
  settle(): void;
  /** From here on only silence is limited; the caller's signal still ends the exchange. */
  extend(idleTimeoutMs: number): void;
  /** Frees the connection. */
  close(): void;
}

function open(request: HttpRequest): Exchange {
  const secure = request.url.startsWith('https:');
  const outgoing = (secure ? https : http).request(request.url, {
    method: request.method,
    headers:
      request.body === undefined
        ? request.headers
        : { ...request.headers, 'content-length': Buffer.byteLength(request.body) },
    agent: request.freshConnection ? false : secure ? secureAgent : plainAgent,
  });
  let sent = false;
  let streaming = false;
  let reason: MeshError | undefined;
  const end = (error: MeshError): void => {
    reason ??= error;
    outgoing.destroy(reason);
  };
  const onAbort = (): void => end(canceled(request, sent));
  const timer = setTimeout(() => end(tooSlow(request, sent)), request.timeoutMs);
  watchConnection(outgoing, secure, request, {
    connected: () => (sent = true),
    failed: end,
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
  if (request.signal?.aborted) onAbort();
  else request.signal?.addEventListener('abort', onAbort, { once: true });
  outgoing.end(request.body);
  const close = (): void => {
    request.signal?.removeEventListener('abort', onAbort);
    outgoing.destroy();
  };
  return {
    response,
    explain: (error) => reason ?? unreachable(request, sent, error),
    settle: () => {
      clearTimeout(timer);
      if (!streaming) request.signal?.removeEventListener('abort', onAbort);
    },
    extend: (idleTimeoutMs) => {
      streaming = true;
      outgoing.setTimeout(idleTimeoutMs, () => end(tooSilent(request, idleTimeoutMs)));
    },
    close,
  };
}

function watchConnection(
  outgoing: ClientRequest,
  secure: boolean,
  request: HttpRequest,
  on: { connected: () => void; failed: (error: MeshError) => void },
): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) {
      on.connected();
      return;
    }
    const timer = setTimeout(
      () => on.failed(unreachable(request, false, new Error(`no connection within ${request.connectTimeoutMs} ms`))),
      request.connectTimeoutMs,
    );
    // With TLS nothing of the request leaves before the handshake is done.
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      on.connected();
    });
    socket.once('close', () => clearTimeout(timer));
  });
}

const isEventStream = (response: IncomingMessage): boolean =>
  (response.headers['content-type'] ?? '').startsWith('text/event-stream');

async function readWhole(response: IncomingMessage, request: HttpRequest): Promise<HttpResponse> {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400 && status !== 304) {
    response.destroy();
    throw new MeshError(
      'PEER_FAILED',
      `${new URL(request.url).origin} answered with a redirect, which is never followed`,
      {
        details: { status, sent: true },
      },
    );
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    // Without an encoding set, node:http streams buffers.
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > request.maxBodyBytes) {
      throw new MeshError(
        'PAYLOAD_TOO_LARGE',
        `${new URL(request.url).origin} sent more than ${request.maxBodyBytes} bytes`,
        {
          details: { status, sent: true },
        },
      );
    }
    chunks.push(bytes);
  }
  return { status, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') };
}

async function* readChunks(response: IncomingMessage, exchange: Exchange): AsyncGenerator<Buffer> {
  try {
    // Without an encoding set, node:http streams buffers.
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    throw exchange.explain(error);
  } finally {
    exchange.close();
  }
}

function unreachable(request: HttpRequest, sent: boolean, cause: unknown): MeshError {
  // What readWhole refused is already explained.
  if (cause instanceof MeshError) return cause;
  const why = cause instanceof Error ? cause.message || errorCode(cause) : String(cause);
  return new MeshError('PEER_UNREACHABLE', `cannot reach ${new URL(request.url).origin}: ${why}`, {
    retryable: true,
    details: { sent },
    cause,
  });
}

// A failed attempt over several addresses (IPv4 and IPv6) has a code but no message.
const errorCode = (error: Error): string => ('code' in error ? String(error.code) : error.name);

const tooSlow = (request: HttpRequest, sent: boolean): MeshError =>
  new MeshError('DEADLINE_EXCEEDED', `${new URL(request.url).origin} did not answer within ${request.timeoutMs} ms`, {
    retryable: true,
    details: { sent },
  });

const tooSilent = (request: HttpRequest, idleTimeoutMs: number): MeshError =>
  new MeshError('PEER_UNREACHABLE', `${new URL(request.url).origin} was silent for ${idleTimeoutMs} ms`, {
    retryable: true,
    details: { sent: true },
  });

const canceled = (request: HttpRequest, sent: boolean): MeshError =>
  new MeshError('CANCELED', 'the call was canceled', { details: { sent }, cause: request.signal?.reason });
