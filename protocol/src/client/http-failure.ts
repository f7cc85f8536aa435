import type { MeshError } from '../mesh-error.ts';
import type { HttpResponse } from './http-client.ts';
import { isObject, parseJson } from './json.ts';
import { invalidReply, toPeerError } from './peer-error.ts';

/** The error of a response that is no success: a google.rpc.Status body (A2A specification, section 11.6) or any other. */
export function httpFailure(response: HttpResponse): MeshError {
  const body = parseJson(response.body);
  const error = isObject(body) && isObject(body['error']) ? body['error'] : undefined;
  if (!error && response.status >= 200 && response.status < 300) return invalidReply('A2A reply');
  const { code, message, details } = error ?? {};
  const retryAfterSeconds = Number(response.headers['retry-after']);
  return toPeerError({
    message: typeof message === 'string' ? message : `the peer answered with HTTP status ${response.status}`,
    status: response.status,
    rpcCode: typeof code === 'number' && code < 0 ? code : undefined,
    info: details,
    retryAfterMs: Number.isFinite(retryAfterSeconds) && retryAfterSeconds > 0 ? retryAfterSeconds * 1000 : undefined,
  });
}
