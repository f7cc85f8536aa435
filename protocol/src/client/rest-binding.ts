import type { Binding, EncodedRequest, Operation } from './binding.ts';
import { httpFailure } from './http-failure.ts';
import { isObject, parseJson } from './json.ts';
import { invalidReply } from './peer-error.ts';

/** HTTP+JSON (A2A specification, section 11). */
export function restBinding(baseUrl: string): Binding {
  const base = baseUrl.replace(/\/+$/, '');
  return {
    encode: (operation, params) => {
      const { tenant, ...rest } = params;
      const root = typeof tenant === 'string' && tenant !== '' ? `${base}/${encodeURIComponent(tenant)}` : base;
      return encodeOperation(root, operation, rest);
    },
    decode(response) {
      if (response.status < 200 || response.status >= 300) throw httpFailure(response);
      const body = parseJson(response.body);
      if (!isObject(body)) throw invalidReply('JSON body');
      return body;
    },
    decodeEvent(data) {
      const body = parseJson(data);
      if (!isObject(body)) throw invalidReply('stream event');
      // A refusal inside a stream has the shape of an error body, with the status in it.
      if (isObject(body['error']))
        throw httpFailure({ status: Number(body['error']['code']), headers: {}, body: data });
      return body;
    },
  };
}

function encodeOperation(root: string, operation: Operation, params: Record<string, unknown>): EncodedRequest {
  const { id, ...query } = params;
  const task = `${root}/tasks/${encodeURIComponent(String(id))}`;
  switch (operation) {
    case 'SendMessage':
      return { method: 'POST', url: `${root}/message:send`, body: JSON.stringify(params) };
    case 'SendStreamingMessage':
      return { method: 'POST', url: `${root}/message:stream`, body: JSON.stringify(params) };
    case 'GetTask':
      return { method: 'GET', url: `${task}${queryString(query)}` };
    case 'ListTasks':
      return { method: 'GET', url: `${root}/tasks${queryString(params)}` };
    case 'CancelTask':
      return { method: 'POST', url: `${task}:cancel`, body: '{}' };
    case 'SubscribeToTask':
      return { method: 'POST', url: `${task}:subscribe`, body: '{}' };
    default:
      return operation satisfies never;
  }
}

function queryString(params: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === 'number' || typeof value === 'boolean') query.set(name, String(value));
    else if (typeof value === 'string' && value !== '') query.set(name, value);
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}
