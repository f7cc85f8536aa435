import { CommunicationProtocolEnum, DaprClient, type WorkflowContext, type WorkflowRuntime } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRaw, type HttpAnswer } from './http-client.ts';
import { startWorld, temporaryFolder, type World } from './world.ts';

// What daprd 1.18.2 answered to the same requests, but for the texts of JSON parsers.

const NO_ROUTE = {
  errorCode: 'ERR_DIRECT_INVOKE',
  message: 'failed getting app id either from the URL path or the header dapr-app-id',
};
const missing = (id: string) => ({
  errorCode: 'ERR_INSTANCE_ID_NOT_FOUND',
  message: `unable to find workflow with the provided instance ID: ${id}`,
});
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const BASE = '/v1.0/workflows/dapr';

async function* echo(_context: WorkflowContext, input: unknown): AsyncGenerator<unknown, unknown> {
  yield* [];
  return input;
}

async function* gate(context: WorkflowContext): AsyncGenerator<unknown, unknown> {
  context.setCustomStatus('waiting');
  return yield context.waitForExternalEvent('go');
}

async function* broken(): AsyncGenerator<unknown, unknown> {
  yield* [];
  throw new TypeError('boom');
}

async function* parent(context: WorkflowContext, childId: string): AsyncGenerator<unknown, unknown> {
  return yield context.callChildWorkflow(gate, undefined, childId);
}

function register(runtime: WorkflowRuntime): void {
  for (const workflow of [echo, gate, broken, parent]) runtime.registerWorkflow(workflow);
}

const folder = temporaryFolder();
let world: World;
let port: number;

beforeAll(async () => {
  world = await startWorld({ path: `${folder.path}/engine.db`, httpPort: 0 }, register);
  port = world.sidecar.httpPort ?? 0;
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const send = (method: string, path: string, body?: string | Buffer): Promise<HttpAnswer> =>
  sendRaw(port, method, path, body);

const get = (id: string): Promise<HttpAnswer> => send('GET', `${BASE}/${id}`);

const expectStatus = (id: string, runtimeStatus: string) =>
  expect.poll(async () => (await get(id)).json, { timeout: 20_000 }).toMatchObject({ runtimeStatus });

describe("the SDK's HTTP client", () => {
  it('starts, watches, pauses, resumes, signals, terminates and purges', async () => {
    const client = new DaprClient({
      daprHost: '127.0.0.1',
      daprPort: String(port),
      communicationProtocol: CommunicationProtocolEnum.HTTP,
    });
    const { workflow } = client;
    const status = (id: string) =>
      expect.poll(async () => (await workflow.getWorkflowState(id)).runtimeStatus, { timeout: 20_000 });

    expect(await workflow.scheduleNewWorkflow('gate', { order: 1 }, 'sdk-1')).toBe('sdk-1');
    await status('sdk-1').toBe('RUNNING');
    await workflow.pause('sdk-1');
    await status('sdk-1').toBe('SUSPENDED');
    await workflow.raiseEvent('sdk-1', 'go', { answer: 42 });
    await workflow.resume('sdk-1');
    await status('sdk-1').toBe('COMPLETED');
    const state = await workflow.getWorkflowState('sdk-1');
    expect(state).toMatchObject({ instanceID: 'sdk-1', workflowName: 'gate' });
    expect(state.properties).toEqual({
      'dapr.workflow.custom_status': 'waiting',
      'dapr.workflow.input': '{"order":1}',
      'dapr.workflow.output': '{"answer":42}',
    });
    expect(state.createdAt.getTime()).toBeLessThanOrEqual(state.lastUpdatedAt.getTime());

    await workflow.scheduleNewWorkflow('gate', undefined, 'sdk-2');
    await workflow.terminate('sdk-2');
    await status('sdk-2').toBe('TERMINATED');
    await workflow.purge('sdk-2');
    await expect(workflow.getWorkflowState('sdk-2')).rejects.toThrow(/ERR_INSTANCE_ID_NOT_FOUND/);
    await expect(workflow.terminate('sdk-2')).rejects.toThrow(/ERR_INSTANCE_ID_NOT_FOUND/);
    expect(await client.health.isHealthy()).toBe(true);
    await client.stop();
  });
});

describe('starting', () => {
  it.each(['v1.0', 'v1.0-beta1', 'v1.0-alpha1'])('works below /%s', async (version) => {
    const id = `start-${version.replaceAll('.', '')}`;
    const started = await send('POST', `/${version}/workflows/dapr/echo/start?instanceID=${id}`, '{"a":1}');
    expect(started).toMatchObject({ status: 202, contentType: 'application/json', json: { instanceID: id } });
    await expectStatus(id, 'COMPLETED');
    expect(await send('GET', `/${version}/workflows/dapr/${id}`)).toMatchObject({
      status: 200,
      contentType: 'application/json',
      json: {
        instanceID: id,
        workflowName: 'echo',
        createdAt: TIME,
        lastUpdatedAt: TIME,
        runtimeStatus: 'COMPLETED',
        properties: { 'dapr.workflow.input': '{"a":1}', 'dapr.workflow.output': '{"a":1}' },
      },
    });
  });

  it('makes up an id if none is given', async () => {
    const { status, json } = await send('POST', `${BASE}/echo/start`, '1');
    expect(status).toBe(202);
    expect(json).toEqual({ instanceID: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/) });
  });

  it('takes no body for the empty input', async () => {
    await send('POST', `${BASE}/echo/start?instanceID=empty`);
    await expectStatus('empty', 'COMPLETED');
    expect((await get('empty')).json).toMatchObject({ properties: { 'dapr.workflow.input': '' } });
  });

  it('answers as soon as the instance is stored, without any worker', async () => {
    using elsewhere = temporaryFolder();
    const { startSidecar } = await import('../src/index.ts');
    await using lonely = await startSidecar({ path: `${elsewhere.path}/engine.db`, httpPort: 0 });
    const lonelyPort = lonely.httpPort ?? 0;
    for (const [verb, status] of [
      ['echo/start?instanceID=alone', 'PENDING'],
      ['alone/pause', 'PENDING'],
      ['alone/resume', 'PENDING'],
      ['alone/terminate', 'TERMINATED'],
    ] as const) {
      expect((await sendRaw(lonelyPort, 'POST', `${BASE}/${verb}`)).status).toBe(202);
      expect((await sendRaw(lonelyPort, 'GET', `${BASE}/alone`)).json).toMatchObject({ runtimeStatus: status });
    }
  });

  it('ignores which component is named, as daprd does', async () => {
    expect((await send('POST', '/v1.0/workflows/other/echo/start?instanceID=other', '1')).status).toBe(202);
    expect((await send('GET', '/v1.0/workflows/other/other')).status).toBe(200);
  });

  it('refuses the id of an active instance', async () => {
    await send('POST', `${BASE}/gate/start?instanceID=twice`, '1');
    expect(await send('POST', `${BASE}/gate/start?instanceID=twice`, '1')).toMatchObject({
      status: 500,
      json: {
        errorCode: 'ERR_START_WORKFLOW',
        message:
          "error starting workflow 'gate': unable to start workflow: failed to start workflow: rpc error: code = AlreadyExists desc = an active workflow with ID 'twice' already exists",
      },
    });
  });

  it('refuses input that is not text', async () => {
    const answer = await send('POST', `${BASE}/echo/start?instanceID=binary`, Buffer.from([0xff, 0xfe, 0x41]));
    expect(answer).toMatchObject({ status: 500, json: { errorCode: 'ERR_START_WORKFLOW' } });
    expect(answer.text).toContain('string field contains invalid UTF-8');
    expect((await get('binary')).status).toBe(404);
  });

  it.each([
    ['64 characters', 'a'.repeat(64)],
    ['letters beyond ASCII', 'été'],
  ])('takes an id of %s', async (_what, id) => {
    const answer = await send('POST', `${BASE}/echo/start?instanceID=${encodeURIComponent(id)}`, '1');
    expect(answer).toMatchObject({ status: 202, json: { instanceID: id } });
  });

  it.each([
    ['65 characters', 'a'.repeat(65), 'ERR_INSTANCE_ID_TOO_LONG'],
    ['66 bytes in 33 characters', 'é'.repeat(33), 'ERR_INSTANCE_ID_TOO_LONG'],
    ['a dot', 'a.b', 'ERR_INSTANCE_ID_INVALID'],
    ['a space', 'a b', 'ERR_INSTANCE_ID_INVALID'],
    ['a slash', 'a/b', 'ERR_INSTANCE_ID_INVALID'],
    ['a control character', 'a\u0000', 'ERR_INSTANCE_ID_INVALID'],
  ])('refuses an id with %s', async (_what, id, errorCode) => {
    const answer = await send('POST', `${BASE}/echo/start?instanceID=${encodeURIComponent(id)}`, '1');
    expect(answer).toMatchObject({ status: 400, json: { errorCode } });
  });
});

describe('an instance', () => {
  it('shows why it failed', async () => {
    await send('POST', `${BASE}/broken/start?instanceID=failed`, '1');
    await expectStatus('failed', 'FAILED');
    expect((await get('failed')).json).toMatchObject({
      properties: {
        'dapr.workflow.failure.error_message': 'boom',
        'dapr.workflow.failure.error_type': 'TypeError',
        'dapr.workflow.failure.stack_trace': expect.stringContaining('at broken'),
      },
    });
  });

  it('is terminated and purged with its children', async () => {
    await send('POST', `${BASE}/parent/start?instanceID=mother`, '"child"');
    await expectStatus('child', 'RUNNING');
    expect(await send('POST', `${BASE}/mother/terminate`)).toMatchObject({ status: 202, text: '{}' });
    await expectStatus('mother', 'TERMINATED');
    await expectStatus('child', 'TERMINATED');
    expect(await send('POST', `${BASE}/mother/purge`)).toMatchObject({ status: 202, text: '{}' });
    expect(await get('mother')).toMatchObject({ status: 404, json: missing('mother') });
    expect(await get('child')).toMatchObject({ status: 404, json: missing('child') });
  });

  it('cannot be purged while it runs', async () => {
    await send('POST', `${BASE}/gate/start?instanceID=active`, '1');
    await expectStatus('active', 'RUNNING');
    expect(await send('POST', `${BASE}/active/purge`)).toMatchObject({
      status: 500,
      json: {
        errorCode: 'ERR_PURGE_WORKFLOW',
        message:
          'error purging workflow active: failed to Purge workflow active: failed to purge workflow state: orchestration has not yet completed',
      },
    });
  });

  it('takes requests after its end without effect', async () => {
    await send('POST', `${BASE}/echo/start?instanceID=over`, '1');
    await expectStatus('over', 'COMPLETED');
    for (const verb of ['raiseEvent/go', 'terminate', 'pause', 'resume']) {
      expect((await send('POST', `${BASE}/over/${verb}`, '{}')).status).toBe(202);
    }
    expect((await get('over')).json).toMatchObject({ runtimeStatus: 'COMPLETED' });
  });
});

describe('an instance that does not exist', () => {
  it.each([
    ['GET', '', 404, missing('none')],
    ['POST', '/terminate', 404, missing('none')],
    ['POST', '/purge', 404, missing('none')],
    [
      'POST',
      '/raiseEvent/x',
      500,
      {
        errorCode: 'ERR_RAISE_EVENT_WORKFLOW',
        message:
          "error raising event on workflow 'none': failed to raise event x on workflow none: failed to raise event: no such instance exists",
      },
    ],
    [
      'POST',
      '/pause',
      500,
      {
        errorCode: 'ERR_PAUSE_WORKFLOW',
        message:
          'error pausing workflow none: failed to pause workflow none: failed to suspend workflow: no such instance exists',
      },
    ],
    [
      'POST',
      '/resume',
      500,
      {
        errorCode: 'ERR_RESUME_WORKFLOW',
        message:
          'error resuming workflow none: failed to resume workflow none: failed to resume workflow: no such instance exists',
      },
    ],
  ])('%s …%s: %i', async (method, verb, status, json) => {
    expect(await send(method, `${BASE}/none${verb}`)).toMatchObject({ status, json });
  });
});

describe('paths', () => {
  it.each([
    ['GET', '/'],
    ['GET', BASE],
    ['GET', `${BASE}/`],
    ['DELETE', `${BASE}/none`],
    ['PUT', `${BASE}/none/pause`],
    ['GET', `${BASE}/none/pause`],
    ['POST', `${BASE}/none/frob`],
    ['POST', `${BASE}/none/raiseEvent/`],
    ['POST', `${BASE}/none/pause/now`],
    ['POST', `${BASE}//start?instanceID=nameless`],
    ['POST', '/v2.0/workflows/dapr/none/pause'],
    ['GET', '/v1.0/state/store/key'],
    ['POST', '/v1.0/healthz'],
    ['GET', '/v1.0/healthz/inbound'],
  ])('%s %s is not there', async (method, path) => {
    expect(await send(method, path)).toMatchObject({ status: 404, json: NO_ROUTE });
  });

  it.each([
    ['double and trailing slashes', `/${BASE}//none/`, 'none'],
    ['dots', '/v1.0/../v1.0/./workflows/dapr/none', 'none'],
    ['an escaped slash', `${BASE}/%2f`, '/'],
    ['a plus', `${BASE}/a+b`, 'a b'],
    ['an escaped plus', `${BASE}/a%2Bb`, 'a+b'],
  ])('are cleaned and decoded as by daprd: %s', async (_what, path, id) => {
    expect(await send('GET', path)).toMatchObject({ status: 404, json: missing(id) });
  });

  it('must be escaped correctly', async () => {
    expect((await send('GET', `${BASE}/%zz`)).status).toBe(400);
    expect((await send('GET', `${BASE}/%ff`)).status).toBe(400);
  });
});

describe('bodies', () => {
  it.each(['not json', '[]', '7', 'null', '{'])(
    'of control requests are JSON objects or nothing, not %s',
    async (body) => {
      expect(await send('POST', `${BASE}/none/pause`, body)).toMatchObject({
        status: 400,
        json: {
          errorCode: 'ERR_MALFORMED_REQUEST',
          message: expect.stringMatching(/^failed deserializing HTTP body: /),
        },
      });
    },
  );

  it.each(['echo/start?instanceID=big', 'none/raiseEvent/x', 'none/pause'])('have a limit: %s', async (path) => {
    const tooLarge = Buffer.alloc(4 * 1024 * 1024 + 1, '1');
    expect(await send('POST', `${BASE}/${path}`, tooLarge)).toMatchObject({
      status: 400,
      json: { errorCode: 'ERR_BODY_READ', message: 'failed to read request body: stream too large' },
    });
    expect((await get('big')).status).toBe(404);
  });

  it('of just the limit are taken', async () => {
    const largest = Buffer.alloc(3 * 1024 * 1024, '1');
    expect((await send('POST', `${BASE}/gate/start?instanceID=large`, largest)).status).toBe(202);
    await expectStatus('large', 'RUNNING');
  });
});

it('is healthy, and says so without a body', async () => {
  expect(await send('GET', '/v1.0/healthz')).toMatchObject({ status: 204, text: '', contentType: undefined });
  expect(await send('GET', '/v1.0/healthz/outbound')).toMatchObject({ status: 204, text: '' });
});
