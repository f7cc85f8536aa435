import { MeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import { z } from 'zod';

/** An HTTP request of this command line. */
export interface RequestOptions {
  method?: string;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
  /** What to tell the user when nobody answers. */
  unreachable?: string;
}

const Problem = z.looseObject({
  code: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  retryable: z.boolean().optional(),
});

/**
 * Sends a request and returns its successful response. Throws MeshError: PEER_UNREACHABLE when nobody answers, CANCELED
 * when the caller aborts, DEADLINE_EXCEEDED, else the code of the problem document that came back.
 */
export async function request(url: string, options: RequestOptions = {}): Promise<Response> {
  const { timeoutMs } = options;
  const timeout = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  let response: Response;
  try {
    response = await fetch(url, {
      method: options.method ?? 'GET',
      redirect: 'error',
      signal: AbortSignal.any([...timeout, ...(options.signal ? [options.signal] : [])]),
      headers: {
        accept: 'application/json',
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
  } catch (cause) {
    throw toTransportError(cause, url, options);
  }
  if (response.ok) return response;
  throw await toRefusal(response, url);
}

/** {@link request}, with the JSON body checked against a schema. */
export async function requestJson<T>(schema: z.ZodType<T>, url: string, options: RequestOptions = {}): Promise<T> {
  const response = await request(url, { timeoutMs: 30_000, ...options });
  const parsed = schema.safeParse(await readJson(response, url, options));
  if (parsed.success) return parsed.data;
  throw new MeshError('INTERNAL', `${url} answered in an unexpected form: ${z.prettifyError(parsed.error)}`);
}

async function readJson(response: Response, url: string, options: RequestOptions): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    throw toTransportError(cause, url, options);
  }
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    throw new MeshError('INTERNAL', `${url} did not answer with JSON`, { cause });
  }
}

/** Turns what fetch, or reading a body, threw into a MeshError. */
export function toTransportError(cause: unknown, url: string, options: RequestOptions = {}): MeshError {
  if (options.signal?.aborted === true) return new MeshError('CANCELED', 'interrupted', { cause });
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new MeshError('DEADLINE_EXCEEDED', `${url} did not answer in time`, { cause, retryable: true });
  }
  const message = options.unreachable ?? `cannot reach ${new URL(url).origin}`;
  return new MeshError('PEER_UNREACHABLE', message, { cause, retryable: true });
}

async function toRefusal(response: Response, url: string): Promise<MeshError> {
  const text = await response.text().catch(() => '');
  const problem = Problem.safeParse(tryParseJson(text)).data;
  return new MeshError(
    // A code this version does not know is handled like any other refusal.
    (problem?.code as MeshErrorCode | undefined) ?? codeOfStatus(response.status),
    problem?.detail ?? problem?.title ?? `${url} answered ${response.status} ${response.statusText}`.trim(),
    { retryable: problem?.retryable ?? response.status >= 500 },
  );
}

function codeOfStatus(status: number): MeshErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return 'NOT_FOUND';
  if (status === 503) return 'UNAVAILABLE';
  return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT';
}

function tryParseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
