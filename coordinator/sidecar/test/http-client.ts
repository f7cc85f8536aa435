import { request } from 'node:http';

/** An answer as it came over the wire. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly text: string;
  /** The text as JSON. */
  readonly json: unknown;
}

/** One HTTP request with nothing made tidy: path, Host and Origin go out as given, which fetch does not allow. */
export function sendRaw(
  port: number,
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const contentType = response.headers['content-type'];
        const isJson = contentType === 'application/json' && text !== '';
        const json: unknown = isJson ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, contentType, text, json });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
