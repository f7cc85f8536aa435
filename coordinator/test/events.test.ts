import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connectNatsBus, createEvent, type EventBus } from '@daca-mesh/protocol/events';
import { NatsServer, skipNats } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import {
  http,
  type HttpInit,
  openQuestion as findQuestion,
  startCoordinator,
  type TestCoordinator,
} from './coordinator.ts';

/** Waits for an event, asks what to do with it, and publishes what was decided. */
const attend = defineWorkflow({
  name: 'attend',
  version: 1,
  description: 'Attends to a device.',
  input: z
    .strictObject({ deviceId: z.string(), fault: z.string().optional() })
    .meta({ examples: [{ deviceId: 'bulb' }] }),
  output: z.strictObject({ seen: z.unknown(), decision: z.string() }),
  async *run(mesh, { deviceId }) {
    const seen = yield* mesh.waitFor('looked_at');
    const outcome = yield* mesh.ask({ prompt: `What about ${deviceId}?`, actions: ['approve', 'reject'] });
    const decision = outcome.answer?.action ?? 'none';
    yield* mesh.activity('publish-event', { type: 'DeviceAttended', subject: deviceId, data: { decision } });
    return { seen: seen.status === 'received' ? seen.payload : null, decision };
  },
});

/** Publishes what starts it. */
const echo = defineWorkflow({
  name: 'echo',
  version: 1,
  description: 'Says what it heard.',
  input: z.strictObject({ place: z.string() }).meta({ examples: [{ place: 'valley' }] }),
  output: z.strictObject({}),
  async *run(mesh, { place }) {
    yield* mesh.activity('publish-event', { type: 'Heard', subject: place });
    return {};
  },
});

const rules = {
  rules: [
    { name: 'echo', when: { type: 'Heard' }, start: { workflow: 'echo', input: { place: { $: '/subject' } } } },
    {
      name: 'attend-bulbs',
      when: { type: 'DeviceUnhealthy', data: { '/kind': 'bulb' } },
      start: {
        workflow: 'attend',
        input: { deviceId: { $: '/subject' }, fault: { $: '/data/fault' } },
        oncePer: ['/source', '/subject'],
      },
    },
    { name: 'start-any', when: { type: 'StartAny' }, start: { workflow: 'attend', input: { $: '/data' } } },
    {
      name: 'look-by-run',
      when: { type: 'LookedAt' },
      raise: { event: 'looked_at', run: { id: ['/runid', '/subject'] }, payload: '/data' },
    },
    {
      name: 'look-by-device',
      when: { type: 'LookedAt' },
      raise: { event: 'looked_at', run: { workflow: 'attend', input: { '/deviceId': '/data/deviceId' } } },
    },
    {
      name: 'follow-up',
      when: { type: 'DeviceAttended', data: { '/decision': 'approve' } },
      start: { workflow: 'attend', input: { deviceId: 'follow-up' } },
    },
    { name: 'answers', when: { type: 'UserInputReceived' }, answer: { question: '/subject' } },
    { name: 'dapr', when: { type: 'com.dapr.event.sent' }, start: { workflow: 'attend', input: { $: '/data' } } },
  ],
};

const webhookSecret = 'whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==';

let folder: string;
let hook: { url: string; seen: { headers: IncomingHttpHeaders; body: string }[]; close(): void };
let nats: NatsServer | undefined;
let coordinator: TestCoordinator;
const closers = new AsyncDisposableStack();

const skipped = skipNats(process.env);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'events-'));
  closers.defer(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'rules.json'), JSON.stringify(rules));
  hook = await startHook();
  closers.defer(() => hook.close());
  if (!skipped) nats = closers.use(await NatsServer.start(join(folder, 'nats')));
  coordinator = await startCoordinator(
    {
      MESH_RULES: join(folder, 'rules.json'),
      MESH_WEBHOOKS: hook.url,
      MESH_WEBHOOK_SECRET: webhookSecret,
      ...(nats ? { NATS_URL: nats.url } : {}),
    },
    [attend, echo],
  );
  closers.use(coordinator);
});
afterAll(() => closers.disposeAsync());

async function startHook() {
  const seen: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      seen.push({ headers: request.headers, body });
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the hook has no port');
  return { url: `http://127.0.0.1:${address.port}/hook`, seen, close: () => server.close() };
}

const api = (path: string, body?: unknown, init?: HttpInit) => http(`${coordinator.url}${path}`, body, init);
const structured: HttpInit = { headers: { 'content-type': 'application/cloudevents+json' } };
const batched: HttpInit = { headers: { 'content-type': 'application/cloudevents-batch+json' } };
const event = (type: string, fields: object = {}) => ({
  ...createEvent({ type, source: '/test', id: randomUUID() }),
  ...fields,
});
const send = async (value: unknown, init: HttpInit = structured) => {
  const { status, body } = await api('/events', value, init);
  expect(status).toBe(200);
  expect(body.status).toBe('SUCCESS');
  return body.events;
};
const unhealthy = (subject: string) => event('DeviceUnhealthy', { subject, data: { kind: 'bulb', fault: 'dark' } });
const published = (type: string, subject: string) =>
  vi.waitFor(
    async () => {
      const { events } = (await api(`/events?direction=out&type=${type}`)).body;
      const found = events.find((each: { event: { subject?: string } }) => each.event.subject === subject);
      if (!found) throw new Error(`no ${type} about ${subject}`);
      return found.event;
    },
    { timeout: 20_000 },
  );
const ended = (runId: string) =>
  vi.waitFor(
    async () => {
      const { body } = await api(`/runs/${runId}`);
      expect(body.status).toMatch(/completed|failed|canceled/u);
      return body;
    },
    { timeout: 20_000 },
  );

describe('POST /events', () => {
  it('leads an event through a whole run, and tells the world about it', async () => {
    const subject = `bulb-${randomUUID()}`;
    const [started] = await send(unhealthy(subject));
    expect(started).toMatchObject({ status: 'started', rule: 'attend-bulbs', runId: expect.any(String) });
    const { runId } = started;
    const looked = event('LookedAt', { runid: runId, data: { by: 'ann' } });
    expect(await send(looked)).toMatchObject([{ status: 'raised', runId, rule: 'look-by-run' }]);
    const question = await findQuestion(coordinator.url, runId);
    const required = await published('HumanReviewRequired', question.id);
    expect(required).toMatchObject({
      source: 'urn:daca-mesh:agent:coordinator',
      runid: runId,
      data: { questionId: question.id, runId, prompt: `What about ${subject}?`, actions: ['approve', 'reject'] },
    });
    const answer = event('UserInputReceived', { subject: question.id, data: { action: 'approve' } });
    expect(await send(answer)).toMatchObject([{ status: 'answered', questionId: question.id, runId }]);
    expect(await ended(runId)).toMatchObject({
      status: 'completed',
      output: { seen: { by: 'ann' }, decision: 'approve' },
    });
    const attended = await published('DeviceAttended', subject);
    expect(attended).toMatchObject({ data: { decision: 'approve' }, runid: runId });
    // What a workflow publishes goes through the rules, too.
    const [{ outcome }] = (await api(`/events?direction=out&type=DeviceAttended&limit=1`)).body.events;
    expect(outcome).toMatchObject({ status: 'started', rule: 'follow-up' });
    expect(await published('HumanReviewClosed', question.id)).toMatchObject({ data: { status: 'answered' } });
    const completed = await published('RunCompleted', runId);
    expect(completed).toMatchObject({
      data: { workflow: 'attend', output: { decision: 'approve' } },
      workflow: 'attend',
    });

    const delivered = await vi.waitFor(() => {
      const found = hook.seen.find(({ body }) => JSON.parse(body).id === completed.id);
      if (!found) throw new Error('the webhook did not get it');
      return found;
    }, 20_000);
    const { headers, body } = delivered;
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    const signature = createHmac('sha256', 'secret of the tests').update(signed).digest('base64');
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents+json',
      'webhook-signature': `v1,${signature}`,
    });
    expect(JSON.parse(body)).toEqual(completed);
    expect((await api('/events/deliveries?status=delivered')).body.deliveries.length).toBeGreaterThanOrEqual(4);
  });

  it('counts an event once, also when it comes twenty times at once', async () => {
    const once = unhealthy(`bulb-${randomUUID()}`);
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(once)));
    const outcomes = replies.flat();
    expect(new Set(outcomes.map(({ runId }) => runId)).size).toBe(1);
    expect(outcomes.every(({ status }) => status === 'started')).toBe(true);
    expect(outcomes.filter(({ repeated }) => repeated)).toHaveLength(19);
  });

  it('starts no second run for a subject while the first is open', async () => {
    const subject = `bulb-${randomUUID()}`;
    const storm = await send(
      Array.from({ length: 30 }, () => unhealthy(subject)),
      batched,
    );
    const [{ runId }] = storm;
    expect(storm.map(({ status }: { status: string }) => status)).toEqual([
      'started',
      ...Array<string>(29).fill('joined'),
    ]);
    expect(new Set(storm.map((each: { runId: string }) => each.runId))).toEqual(new Set([runId]));
    await api(`/runs/${runId}/cancel`, {});
    await ended(runId);
    expect(await published('RunCanceled', runId)).toMatchObject({ data: { status: 'canceled' } });
    expect(await send(unhealthy(subject))).toMatchObject([{ status: 'started' }]);
  });

  it('ends a loop of runs that start each other', async () => {
    const subject = `valley-${randomUUID()}`;
    expect(await send(event('Heard', { subject }))).toMatchObject([{ status: 'started' }]);
    const events = await vi.waitFor(
      async () => {
        const heard = (await api('/events?type=Heard&limit=100')).body.events;
        const mine = heard.filter((each: { event: { subject: string } }) => each.event.subject === subject);
        expect(mine[0].outcome).toMatchObject({
          status: 'refused',
          error: { message: expect.stringMatching(/loop/u) },
        });
        return mine;
      },
      { timeout: 30_000, interval: 100 },
    );
    expect(events.map((each: { event: { hops?: number } }) => each.event.hops ?? 0)).toEqual(
      Array.from({ length: 11 }, (_, n) => 10 - n),
    );
  });

  it('finds a run by what it was started with', async () => {
    const deviceId = `lamp-${randomUUID()}`;
    const [{ runId }] = await send(event('StartAny', { data: { deviceId } }));
    expect(await send(event('LookedAt', { data: { deviceId } }))).toMatchObject([{ status: 'raised', runId }]);
    expect(await send(event('LookedAt', { data: { deviceId: 'nobody' } }))).toMatchObject([{ status: 'unmatched' }]);
    expect(await send(event('LookedAt', { data: { deviceId: { $ne: 1 } } }))).toMatchObject([{ status: 'unmatched' }]);
  });

  it('takes binary mode and plain JSON', async () => {
    const id = randomUUID();
    const headers = { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/test', 'ce-type': 'StartAny' };
    expect(await send({ deviceId: 'x' }, { headers })).toMatchObject([{ id, status: 'started' }]);
    expect(await send(event('Unknown'), {})).toMatchObject([{ status: 'unmatched' }]);
  });

  it('stores what it cannot use, and says why', async () => {
    const odd = event('StartAny', { data: { deviceId: 7, extra: true } });
    const outcome = {
      status: 'refused',
      error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('deviceId') },
    };
    expect(await send(odd)).toMatchObject([outcome]);
    expect(await send(odd)).toMatchObject([{ ...outcome, repeated: true }]);
    expect((await api('/events?status=refused&limit=1')).body.events).toMatchObject([{ event: odd, outcome }]);
    const [{ runId }] = await send(event('StartAny', { data: { deviceId: 'y' } }));
    await api(`/runs/${runId}/cancel`, {});
    await ended(runId);
    expect(await send(event('LookedAt', { subject: runId }))).toMatchObject([
      { status: 'refused', error: { code: 'RUN_FINISHED' } },
    ]);
    expect(await send(event('LookedAt', { subject: 'unknown', data: {} }))).toMatchObject([{ status: 'unmatched' }]);
    const own = event('StartAny', { source: 'urn:daca-mesh:agent:coordinator', data: { deviceId: 'z' } });
    expect(await send(own)).toMatchObject([{ status: 'ignored' }]);
  });

  it.each([
    ['no event', {}, structured, 400],
    ['text', 'hello', structured, 400],
    ['another version', { ...event('X'), specversion: '0.3' }, structured, 400],
    ['a batch with a bad one', [event('X'), { id: 1 }], batched, 400],
    ['too many at once', Array.from({ length: 1_001 }, () => ({})), batched, 413],
    ['too large an event', { ...event('X'), data: 'x'.repeat(300_000) }, structured, 413],
    ['a form', 'a=b', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['a web page', event('X'), { headers: { ...structured.headers, origin: 'https://evil.example' } }, 403],
  ])('refuses %s', async (_name, body, init, status) => {
    const reply = await api('/events', body, init);
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
  });

  it('takes what Dapr delivers, and tells it to drop what is no event', async () => {
    const envelope = {
      ...event('com.dapr.event.sent', { data: { deviceId: 'd' }, datacontenttype: 'application/json' }),
      pubsubname: 'pubsub',
      topic: 'devices',
      traceid: '00-1-2-00',
      traceparent: '00-1-2-00',
      tracestate: '',
    };
    expect(await send(envelope)).toMatchObject([{ status: 'started', rule: 'dapr' }]);
    const { id: _id, ...broken } = envelope;
    expect(await api('/events', broken, structured)).toMatchObject({ status: 200, body: { status: 'DROP' } });
  });

  it('has nothing parked to send again', async () => {
    expect((await api('/events/parked')).body).toEqual({ parked: [] });
    expect((await api('/events/parked/7/redrive', {})).status).toBe(404);
    expect((await api('/events/parked/none/redrive', {})).status).toBe(400);
    expect((await api('/events/deliveries/none/redrive', {})).status).toBe(404);
    expect((await api('/events?limit=0')).status).toBe(400);
  });
});

describe('the rules of a file', () => {
  it.each([
    ['not JSON', '{', /not valid JSON/u],
    ['a rule without an action', '{"rules":[{"name":"a","when":{"type":"T"}}]}', /one of start, raise and answer/u],
    [
      'an unknown workflow',
      '{"rules":[{"name":"a","when":{"type":"T"},"start":{"workflow":"none","input":{}}}]}',
      /no workflow none/u,
    ],
    [
      'a name of the kit',
      '{"rules":[{"name":"a","when":{"type":"T"},"raise":{"event":"cancel","run":{"id":"/runid"}}}]}',
      /coordinator itself/u,
    ],
    [
      'a pointer that is none',
      '{"rules":[{"name":"a","when":{"type":"T"},"answer":{"question":"subject"}}]}',
      /JSON Pointer/u,
    ],
  ])('stop the start when they are %s', async (_name, content, message) => {
    const path = join(folder, `${randomUUID()}.json`);
    await writeFile(path, content);
    await expect(startCoordinator({ MESH_RULES: path })).rejects.toThrowError(message);
  });

  it('are those that are shipped where none is given, as far as their workflows are there', async () => {
    await using plain = await startCoordinator();
    const approval = event('approval_received', { subject: 'no-run' });
    const { body } = await http(`${plain.url}/events`, approval, structured);
    expect(body.events).toMatchObject([{ status: 'unmatched' }]);
  });
});

describe.skipIf(skipped)('the coordinator on NATS', () => {
  let bus: EventBus;
  beforeAll(async () => {
    bus = await connectNatsBus({ natsUrl: nats?.url ?? '', logger: pino({ level: 'silent' }) });
  });
  afterAll(() => bus.close());

  it('takes events from the bus once, over its crash, and publishes its own there', async () => {
    const seen: string[] = [];
    await bus.subscribe(
      { name: 'listener', types: ['RunCanceled'] },
      async ({ subject }) => void seen.push(subject ?? ''),
    );
    const subjects = Array.from({ length: 20 }, (_, n) => `bus-${n}-${randomUUID()}`);
    const events = subjects.map((subject) => unhealthy(subject));
    await vi.waitFor(() => bus.publish(...events.slice(0, 10)), 20_000);
    await nats?.restart();
    await vi.waitFor(() => bus.publish(...events), 20_000);
    const runIds = await vi.waitFor(
      async () => {
        const stored = (await api('/events?direction=in&status=started&limit=500')).body.events;
        const mine = stored.filter((each: { event: { subject: string } }) => subjects.includes(each.event.subject));
        expect(mine).toHaveLength(20);
        return mine.map((each: { outcome: { runId: string } }) => each.outcome.runId);
      },
      { timeout: 30_000, interval: 200 },
    );
    const { runs } = (await api('/runs?workflow=attend&limit=100')).body;
    const started = runs.filter((run: { input: { deviceId: string } }) => subjects.includes(run.input.deviceId));
    expect(started).toHaveLength(20);
    await api(`/runs/${runIds[0]}/cancel`, {});
    await vi.waitFor(() => expect(seen).toContain(runIds[0]), 30_000);
  }, 60_000);

  it('shows what is parked and delivers it again', async () => {
    let broken = true;
    const seen: string[] = [];
    await bus.subscribe({ name: 'picky', types: ['Picked'] }, async ({ id }) => {
      if (broken)
        throw Object.assign(new Error('no'), { name: 'MeshError', code: 'INVALID_ARGUMENT', retryable: false });
      seen.push(id);
    });
    const picked = event('Picked');
    await bus.publish(picked);
    const [parked] = await vi.waitFor(async () => {
      const { body } = await api('/events/parked');
      expect(body.parked).toMatchObject([{ consumer: 'picky', event: picked, reason: 'no' }]);
      return body.parked;
    }, 20_000);
    broken = false;
    expect(await api(`/events/parked/${parked.sequence}/redrive`, {})).toMatchObject({ status: 202, body: picked });
    await vi.waitFor(() => expect(seen).toEqual([picked.id]), 20_000);
    expect((await api('/events/parked')).body.parked).toEqual([]);
  });
});
