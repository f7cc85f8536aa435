import { describe, expect, it } from 'vitest';
import { type ContractPeer, formMessage, type PeerContract, wireError, wireMessage } from './contract-context.ts';
import { rawRequest } from './raw-http.ts';

const fiveMiB = 5 * 1024 * 1024;

/** Everything wrong that a caller can send gets the specified error as JSON, over both bindings. */
export function describeBadInput(contract: PeerContract, peer: () => ContractPeer): void {
  const [[skill, { valid }] = ['', { valid: {} }]] = Object.entries(contract.samples);
  const good = () => formMessage(skill, valid);

  describe('bad input', () => {
    it.each([
      ['no message', undefined],
      ['no parts', wireMessage({})],
      ['empty parts', wireMessage({ parts: [] })],
      ['a null part', wireMessage({ parts: [null] })],
      ['a part without content', wireMessage({ parts: [{ mediaType: 'text/plain' }] })],
      ['a part with two contents', wireMessage({ parts: [{ text: 'a', url: 'http://b' }] })],
      ['text that is a number', wireMessage({ parts: [{ text: 7 }] })],
      ['raw that is no base64', wireMessage({ parts: [{ raw: '***' }] })],
      ['the role of an agent', wireMessage({ parts: [{ text: 'a' }], role: 'ROLE_AGENT' })],
      ['a role of version 0.3', wireMessage({ parts: [{ text: 'a' }], role: 'user' })],
      ['no message id', wireMessage({ parts: [{ text: 'a' }], messageId: undefined })],
      ['metadata that is a list', wireMessage({ parts: [{ text: 'a' }], metadata: [] })],
    ])('is refused: %s', async (_name, message) => {
      const rpc = wireError(await peer().rpc('SendMessage', { message }));
      expect(rpc).toMatchObject({ code: -32602, reason: 'INVALID_ARGUMENT' });
      const rest = await peer().rest('/message:send', { body: { message } });
      expect([rest.status, wireError(rest).reason]).toEqual([400, 'INVALID_ARGUMENT']);
      expect(wireError(await peer().rpc('SendStreamingMessage', { message })).code).toBe(-32602);
    });

    it.each([
      ['an unknown method', { jsonrpc: '2.0', id: 1, method: 'NoSuchMethod', params: {} }, -32601],
      ['no method', { jsonrpc: '2.0', id: 1 }, -32600],
      ['no JSON-RPC', { hello: 'world' }, -32600],
      ['a batch', [], -32600],
      ['broken JSON', '{"jsonrpc": ', -32700],
    ])('is refused over JSON-RPC: %s', async (_name, body, code) => {
      expect(wireError(await rawRequest(peer().jsonRpcUrl, { body })).code).toBe(code);
    });

    it('is refused over REST: an unknown path, a wrong method, broken JSON, a broken path', async () => {
      const statusOf = async (path: string, options?: Parameters<ContractPeer['rest']>[1]): Promise<number> => {
        const response = await peer().rest(path, options);
        wireError(response);
        return response.status;
      };
      expect(await statusOf('/no/such/path')).toBe(404);
      expect(await statusOf('/message:send', { method: 'GET' })).toBe(405);
      expect(await statusOf('/message:send', { body: '{' })).toBe(400);
      expect(await statusOf('/tasks/%E0%A4%A')).toBe(400);
      const elsewhere = await rawRequest(`${peer().url}/no-such-page`);
      expect(elsewhere.status).toBe(404);
      wireError(elsewhere);
      const get = await rawRequest(peer().jsonRpcUrl);
      expect(get.status).toBe(405);
      wireError(get);
    });

    it('is refused: another content type', async () => {
      const headers = { 'content-type': 'text/plain' };
      const rpc = await peer().rpc('SendMessage', { message: good() }, { headers });
      expect([rpc.status, wireError(rpc).reason]).toEqual([415, 'CONTENT_TYPE_NOT_SUPPORTED']);
      const rest = await peer().rest('/message:send', { body: { message: good() }, headers });
      expect([rest.status, wireError(rest).reason]).toEqual([415, 'CONTENT_TYPE_NOT_SUPPORTED']);
    });

    it('is refused: a body of 5 MiB', async () => {
      const message = wireMessage({ parts: [{ text: 'x'.repeat(fiveMiB) }] });
      const rpc = await peer().rpc('SendMessage', { message });
      expect([rpc.status, wireError(rpc).reason]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
      const rest = await peer().rest('/message:send', { body: { message } });
      expect([rest.status, wireError(rest).reason]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    });

    it.each([
      ['a foreign origin', { origin: 'https://evil.example' }],
      ['a foreign host', { host: 'evil.example' }],
    ])('is refused: %s', async (_name, headers) => {
      const rpc = await peer().rpc('SendMessage', { message: good() }, { headers });
      expect([rpc.status, wireError(rpc).reason]).toEqual([403, 'FORBIDDEN']);
      const rest = await peer().rest('/tasks', { headers });
      expect([rest.status, wireError(rest).reason]).toEqual([403, 'FORBIDDEN']);
    });

    it.each(['0.3', '2.0', 'x'])('is refused: version %s', async (version) => {
      const headers = { 'a2a-version': version };
      const rpc = wireError(await peer().rpc('SendMessage', { message: good() }, { headers }));
      expect(rpc).toMatchObject({ code: -32009, reason: 'VERSION_NOT_SUPPORTED' });
      const rest = await peer().rest('/message:send', { body: { message: good() }, headers });
      expect([rest.status, wireError(rest).reason]).toEqual([400, 'VERSION_NOT_SUPPORTED']);
    });

    it('is refused: a method of version 0.3 without a version', async () => {
      const response = await peer().rpc('message/send', { message: good() }, { headers: { 'a2a-version': '' } });
      expect(wireError(response)).toMatchObject({ code: -32009, reason: 'VERSION_NOT_SUPPORTED' });
    });

    it('is not: a patch version, a version in the query, no version, unknown fields, the spelling of the .proto', async () => {
      const url = peer().jsonRpcUrl;
      const id = 'no-such-task';
      for (const [target, version, params] of [
        [url, '1.0.1', { id }],
        [`${url}?A2A-Version=1.0`, '', { id }],
        [url, '', { id, history_length: 1, whatever: true }],
      ] as const) {
        const response = await rawRequest(target, {
          body: { jsonrpc: '2.0', id: 1, method: 'GetTask', params },
          headers: { 'a2a-version': version },
        });
        expect(wireError(response)).toMatchObject({ code: -32001, reason: 'TASK_NOT_FOUND' });
      }
    });

    it('is refused where it needs push notifications or an extended card', async () => {
      const id = 'no-such-task';
      const push = await peer().rpc('CreateTaskPushNotificationConfig', { taskId: id, url: 'https://example.com' });
      expect(wireError(push)).toMatchObject({ code: -32003, reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED' });
      const rest = await peer().rest(`/tasks/${id}/pushNotificationConfigs`);
      expect([rest.status, wireError(rest).reason]).toEqual([400, 'PUSH_NOTIFICATION_NOT_SUPPORTED']);
      expect(wireError(await peer().rpc('GetExtendedAgentCard', {})).code).toBe(-32004);
    });
  });
}
