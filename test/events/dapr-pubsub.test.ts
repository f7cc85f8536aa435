import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDapr, freeDaprPorts, howToGetDapr, type RunningDapr, startDapr } from '@daca-mesh/dapr';
import { type CloudEvent, connectNatsBus, createEvent, type EventBus } from '@daca-mesh/protocol/events';
import { createLogger } from '@daca-mesh/protocol/server';
import { NatsServer, skipNats } from '@daca-mesh/protocol/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDaprWanted } from '../mesh/dapr.ts';
import { eventually, Mesh } from '../mesh/mesh.ts';
import { getJson, runsOf, storedEvents, writeRules } from './events-api.ts';

/** Events over Dapr's pub/sub: a real daprd with the jetstream component between the coordinator and a NATS server. */

const isWanted = isDaprWanted();
const skipped = !isWanted || skipNats(process.env);
const token = 'token of the test';

/** What agents of the mesh publish on NATS, too: with JetStream a subscription may have wildcards. */
const topic = 'mesh.events.TextReceived';
const everyTopic = 'mesh.events.>';
const resources = (natsUrl: string) => ({
  events: {
    apiVersion: 'dapr.io/v1alpha1',
    kind: 'Component',
    metadata: { name: 'events' },
    spec: {
      type: 'pubsub.jetstream',
      version: 'v1',
      metadata: Object.entries({
        natsURL: natsUrl,
        name: 'coordinator',
        streamName: 'MESH_EVENTS',
        durableName: 'coordinator-dapr',
        ackWait: '1s',
        deliverPolicy: 'all',
      }).map(([name, value]) => ({ name, value })),
    },
  },
  subscription: {
    apiVersion: 'dapr.io/v2alpha1',
    kind: 'Subscription',
    metadata: { name: 'events' },
    spec: { pubsubname: 'events', topic: everyTopic, routes: { default: '/events' } },
  },
});

const trigger = () =>
  createEvent({ type: 'TextReceived', source: '/test', subject: randomUUID(), data: { text: 'a text' } });

describe.skipIf(skipped)(`Dapr pub/sub${isWanted ? '' : ' (skipped: set MESH_TEST_DAPR=1 to run it)'}`, () => {
  let folder: string;
  let nats: NatsServer;
  let bus: EventBus;
  let mesh: Mesh;
  let dapr: RunningDapr;

  beforeAll(async () => {
    const binaries = findDapr(process.env);
    if (!binaries) throw new Error(howToGetDapr);
    folder = await mkdtemp(join(tmpdir(), 'dapr-pubsub-'));
    nats = await NatsServer.start(join(folder, 'nats'));
    bus = await connectNatsBus({ natsUrl: nats.url, logger: createLogger('test', 'silent') });
    // Dapr's component wants the stream to be there.
    const first = createEvent({ type: 'First', source: '/test' });
    await eventually(() => bus.publish(first).then(() => true), Boolean, { what: 'a stream' });
    const ports = await freeDaprPorts();
    const all = { MESH_TOKEN: token };
    mesh = await Mesh.start({
      // Without a writer a run waits for a person.
      peers: ['keyword-extractor'],
      env: {
        all,
        coordinator: {
          MESH_PUBSUB: 'events',
          DAPR_HTTP_ENDPOINT: `http://127.0.0.1:${ports.daprdHttp}`,
          MESH_RULES: await writeRules(folder),
        },
      },
    });
    const app = { port: Number(new URL(mesh.coordinator).port), token };
    const folderOfDapr = join(folder, 'dapr');
    dapr = await startDapr({
      binaries,
      ports,
      folder: folderOfDapr,
      environment: process.env,
      app,
      resources: resources(nats.url),
    });
  }, 120_000);
  afterAll(async () => {
    await dapr?.close();
    await mesh?.[Symbol.asyncDispose]();
    await bus?.close();
    await nats?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const publish = async (event: CloudEvent): Promise<void> => {
    const response = await fetch(`${dapr.httpUrl}/v1.0/publish/events/${topic}`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    });
    expect(response.status).toBe(204);
  };
  const startedBy = (event: CloudEvent) =>
    eventually(
      async () => (await storedEvents(mesh, token)).find((stored) => stored.event.id === event.id),
      (stored) => stored !== undefined,
      { what: `event ${event.id}` },
    );

  it('brings an event that was published by its API to a run, and the news of the run back', async () => {
    const event = trigger();
    const news: CloudEvent[] = [];
    await bus.subscribe({ name: 'listener', types: ['RunCanceled'] }, async (each) => void news.push(each));
    await publish(event);
    const stored = await startedBy(event);
    expect(stored?.outcome).toMatchObject({ status: 'started' });
    const runId = stored?.outcome?.runId ?? '';
    expect((await runsOf(mesh, token)).filter((run) => run.runId === runId)).toHaveLength(1);
    const canceled = await getJson(`${mesh.coordinator}/runs/${runId}/cancel`, token, {});
    expect(canceled).toMatchObject({ runId });
    // The coordinator publishes it through Dapr, which brings it to the same stream.
    await eventually(
      async () => news,
      (seen) => seen.some(({ subject }) => subject === runId),
      { what: 'RunCanceled' },
    );
  }, 90_000);

  it('delivers again what the coordinator could not take, and it counts once', async () => {
    const before = (await runsOf(mesh, token)).length;
    const event = trigger();
    await mesh.kill('coordinator', { hold: true });
    await publish(event);
    // Under another message id the stream takes the same event twice: only its receiver can tell.
    await bus.publish(event);
    await mesh.up('coordinator');
    expect((await startedBy(event))?.outcome).toMatchObject({ status: 'started' });
    const last = trigger();
    await publish(last);
    await startedBy(last);
    expect(await runsOf(mesh, token)).toHaveLength(before + 2);
  }, 90_000);

  it('tells Dapr to drop what is no event', async () => {
    const response = await fetch(`${mesh.coordinator}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', 'dapr-api-token': token },
      body: JSON.stringify({ pubsubname: 'events', topic, data: 1 }),
    });
    expect(await response.json()).toMatchObject({ status: 'DROP' });
    const wrong = await fetch(`${mesh.coordinator}/events`, { method: 'POST', headers: { 'dapr-api-token': 'wrong' } });
    expect(wrong.status).toBe(401);
  });
});
