import type { Binding } from './binding.ts';
import type { HttpResponse } from './http-client.ts';
import { httpFailure } from './http-failure.ts';
import { isObject, parseJson } from './json.ts';
import { invalidReply, toPeerError } from './peer-error.ts';

/** JSON-RPC 2.0 over HTTP (A2A specification, section 9). */
export function jsonRpcBinding(url: string): Binding {
  return {
    encode: (operation, params) => ({
      method: 'POST',
      url,
      // HTTP already pairs a reply with its request, so the id carries nothing.
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: operation, params }),
    }),
    decode(response) {
      const envelope = parseJson(response.body);
      if (!isObject(envelope) || envelope['jsonrpc'] !== '2.0') throw httpFailure(response);
      return unwrap(envelope, response);
    },
    decodeEvent(data) {
      const envelope = parseJson(data);
      if (!isObject(envelope)) throw invalidReply('stream event');
      return unwrap(envelope, { status: 200, headers: {}, body: data });
    },
  };
}

function unwrap(envelope: Record<string, unknown>, response: HttpResponse): unknown {
  const error = envelope['error'];
  if (!isObject(error)) {
    if (!('result' in envelope)) throw invalidReply('JSON-RPC response');
    return envelope['result'];
  }
  const { code, message, data } = error;
  throw toPeerError({
    message: typeof message === 'string' ? message : 'the peer refused the call',
    status: response.status,
    rpcCode: typeof code === 'number' ? code : undefined,
    info: data,
  });
}
