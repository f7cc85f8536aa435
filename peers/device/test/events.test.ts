import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { json } from 'node:stream/consumers';
import { AgentClient } from '@daca-mesh/protocol/client';
import { type CloudEvent, readHttpEvents } from '@daca-mesh/protocol/events';
import { expect, it, onTestFinished, vi } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

/** Where a coordinator would listen: it takes events at `/events`. */
async function startSink() {
  const events: CloudEvent[] = [];
  const server = createHttpServer((request, response) => {
    void json(request).then((body) => {
      if (request.url === '/events') events.push(...readHttpEvents({ headers: request.headers, body }));
      response.writeHead(request.url === '/events' ? 202 : 404).end();
    });
  });
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no port');
  return { events, url: `http://127.0.0.1:${address.port}` };
}

it('publishes what happens to its devices, commanded or not, where the mesh listens', async () => {
  const sink = await startSink();
  const folder = await mkdtemp(`${tmpdir()}/device-events-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  const config = parseConfig({
    MESH_LOG_LEVEL: 'silent',
    MESH_CARD: 'device-lock',
    MESH_DATA: folder,
    MESH_URL: sink.url,
    DEVICE_ACTIVITY: '20',
  });
  await using server = await createServer(config, createLogger(config));
  const client = await AgentClient.connect(server.url);
  const input = { deviceId: 'lock-1', fault: { type: 'stuck' } };
  await client.send({ skill: 'fault-lock', input, blocking: true });

  const source = 'urn:daca-mesh:agent:device-lock';
  const unhealthy = { type: 'DeviceUnhealthy', source, subject: 'lock-1', data: { fault: 'stuck', health: 'failed' } };
  const opened = {
    type: 'DeviceTriggered',
    source,
    data: { kind: 'lock', agent: 'device-lock', state: { locked: false } },
  };
  await vi.waitFor(
    () => {
      expect(sink.events).toContainEqual(expect.objectContaining({ data: expect.objectContaining(unhealthy.data) }));
      expect(sink.events.find(({ type }) => type === 'DeviceTriggered')).toMatchObject(opened);
    },
    { timeout: 20_000 },
  );
  expect(sink.events.filter(({ type }) => type === 'DeviceUnhealthy')).toMatchObject([unhealthy]);
});
