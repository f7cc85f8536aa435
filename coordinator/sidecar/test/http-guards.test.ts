import { once } from 'node:events';
import { connect } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { DaprClient, DaprWorkflowClient } from '@dapr/dapr';
import { describe, expect, it } from 'vitest';
import { startSidecar } from '../src/index.ts';
import { sendRaw } from './http-client.ts';
import { temporaryFolder } from './world.ts';

const INSTANCE = '/v1.0/workflows/dapr/none';

describe('with a token', () => {
  it.each([
    ['no token', {}],
    ['a wrong one', { 'dapr-api-token': 'wrong' }],
    ['its beginning', { 'dapr-api-token': 'secre' }],
    ['an empty one', { 'dapr-api-token': '' }],
    ['one in another header', { authorization: 'Bearer secret' }],
  ])("refuses callers with %s, in daprd's words", async (_what, headers) => {
    using folder = temporaryFolder();
    await using sidecar = await startSidecar({ path: `${folder.path}/e.db`, httpPort: 0, apiToken: 'secret' });
    const port = sidecar.httpPort ?? 0;
    const refused = { status: 401, text: 'invalid api token\n', contentType: 'text/plain; charset=utf-8' };
    expect(await sendRaw(port, 'GET', INSTANCE, undefined, headers)).toMatchObject(refused);
    expect(await sendRaw(port, 'POST', `${INSTANCE}/pause`, '{}', headers)).toMatchObject(refused);
    expect(await sendRaw(port, 'GET', '/v1.0/metadata', undefined, headers)).toMatchObject(refused);
    // Also what is not there, so that strangers learn nothing.
    expect(await sendRaw(port, 'GET', '/nothing', undefined, headers)).toMatchObject(refused);
    expect((await sendRaw(port, 'GET', '/v1.0/healthz', undefined, headers)).status).toBe(204);
    expect((await sendRaw(port, 'GET', '/v1.0/healthz/outbound', undefined, headers)).status).toBe(204);
  });

  it('serves SDK clients that have it', async () => {
    using folder = temporaryFolder();
    await using sidecar = await startSidecar({ path: `${folder.path}/e.db`, httpPort: 0, apiToken: 'secret' });
    const daprHost = sidecar.host;
    const http = new DaprClient({ daprHost, daprPort: String(sidecar.httpPort), daprApiToken: 'secret' });
    await http.workflow.start('any', 1, 'with-token');
    const grpc = new DaprWorkflowClient({ daprHost, daprPort: String(sidecar.port), daprApiToken: 'secret' });
    expect(await grpc.getWorkflowState('with-token', false)).toMatchObject({ name: 'any' });
    const stranger = new DaprWorkflowClient({ daprHost, daprPort: String(sidecar.port), daprApiToken: 'secret2' });
    await expect(stranger.getWorkflowState('with-token', false)).rejects.toMatchObject({ code: 16 });
    await Promise.all([http.stop(), grpc.stop(), stranger.stop()]);
  });
});

describe('on a loopback address', () => {
  it.each([
    ['a page', { origin: 'http://evil.example' }],
    ['a page without an address', { origin: 'null' }],
    ['a page of another local server', { origin: 'http://127.0.0.1:1' }],
    ['a name that points here', { host: 'evil.example' }],
    ['a name that looks like here', { host: '127.0.0.1.evil.example' }],
  ])('refuses %s', async (_what, headers) => {
    using folder = temporaryFolder();
    await using sidecar = await startSidecar({ path: `${folder.path}/e.db`, httpPort: 0 });
    const port = sidecar.httpPort ?? 0;
    const start = '/v1.0/workflows/dapr/any/start?instanceID=forged';
    expect(await sendRaw(port, 'POST', start, '1', headers)).toMatchObject({
      status: 403,
      json: { errorCode: 'ERR_FORBIDDEN' },
    });
    expect((await sendRaw(port, 'GET', '/v1.0/workflows/dapr/forged')).status).toBe(404);
  });

  it.each(['localhost', '127.0.0.1', '[::1]'])('answers to %s', async (name) => {
    using folder = temporaryFolder();
    await using sidecar = await startSidecar({ path: `${folder.path}/e.db`, httpPort: 0 });
    const host = `${name}:${sidecar.httpPort}`;
    const own = { host, origin: `http://${host}` };
    expect((await sendRaw(sidecar.httpPort ?? 0, 'GET', '/v1.0/healthz', undefined, own)).status).toBe(204);
  });
});

it('takes an empty token for none, and so for too little where others can reach it', async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/e.db`;
  await expect(startSidecar({ path, host: '0.0.0.0', apiToken: '' })).rejects.toMatchObject({ code: 'TOKEN_REQUIRED' });
});

it('is not healthy any more once a commit failed', async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/e.db`;
  await using sidecar = await startSidecar({ path, httpPort: 0 });
  const port = sidecar.httpPort ?? 0;
  expect((await sendRaw(port, 'GET', '/v1.0/healthz')).status).toBe(204);
  using intruder = new DatabaseSync(path);
  intruder.exec('BEGIN IMMEDIATE');
  const start = '/v1.0/workflows/dapr/any/start?instanceID=one';
  expect(await sendRaw(port, 'POST', start)).toMatchObject({ status: 500, json: { errorCode: 'ERR_START_WORKFLOW' } });
  expect(await sendRaw(port, 'GET', '/v1.0/healthz')).toMatchObject({
    status: 500,
    json: { errorCode: 'ERR_HEALTH_NOT_READY', message: 'dapr is not ready: [database]' },
  });
  expect(await sendRaw(port, 'GET', '/v1.0/healthz/outbound')).toMatchObject({
    status: 500,
    json: { errorCode: 'ERR_OUTBOUND_HEALTH_NOT_READY' },
  });
});

it('serves no HTTP unless asked to', async () => {
  using folder = temporaryFolder();
  await using sidecar = await startSidecar({ path: `${folder.path}/e.db` });
  expect(sidecar.httpPort).toBeUndefined();
});

it('leaves nothing behind when the HTTP port is taken', async () => {
  using folder = temporaryFolder();
  await using first = await startSidecar({ path: `${folder.path}/a.db`, httpPort: 0 });
  const free = await startSidecar({ path: `${folder.path}/b.db` });
  await free.close();
  const second = { path: `${folder.path}/b.db`, port: free.port, httpPort: first.httpPort ?? 0 };
  await expect(startSidecar(second)).rejects.toMatchObject({ code: 'ADDRESS_UNAVAILABLE' });
  await using again = await startSidecar({ ...second, httpPort: 0 });
  expect(again.port).toBe(free.port);
});

it('closes with a request that never ends', async () => {
  using folder = temporaryFolder();
  const sidecar = await startSidecar({ path: `${folder.path}/e.db`, httpPort: 0 });
  const socket = connect(sidecar.httpPort ?? 0, '127.0.0.1');
  socket.write(
    `POST ${INSTANCE}/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n`,
  );
  // The sidecar has the request, and waits for its body.
  await once(socket, 'data');
  const ended = once(socket, 'close');
  await sidecar.close();
  await expect(ended).resolves.toEqual([false]);
});
