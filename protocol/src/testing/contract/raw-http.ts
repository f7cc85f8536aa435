import http from 'node:http';

/** A response as it stood on the wire. */
export interface RawResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** The parsed body; undefined where it is no JSON. */
  json: JsonObject | undefined;
}

/** Any JSON object; tests look into it with matchers. */
type JsonObject = Record<string, unknown>;

/** How {@link rawRequest} differs from a plain GET. */
export interface RawRequestOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as it is; an object is sent as JSON. */
  body?: string | object;
}

/** Sends exactly what it is told to, any `Host` and `Origin` included, which `fetch` would not. */
export function rawRequest(url: string, options: RawRequestOptions = {}): Promise<RawResponse> {
  const { body } = options;
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const headers = {
    'a2a-version': '1.0',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const method = options.method ?? (body === undefined ? 'GET' : 'POST');
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(toRawResponse(response, Buffer.concat(chunks).toString('utf8'))));
    });
    request.on('error', reject);
    request.end(text);
  });
}

function toRawResponse(response: http.IncomingMessage, text: string): RawResponse {
  let json: JsonObject | undefined;
  try {
    // Whoever uses it checks what is inside.
    json = JSON.parse(text) as JsonObject;
  } catch {
    json = undefined;
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, json };
}
