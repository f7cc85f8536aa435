import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiDouble, ok, problem, type Reply, type Seen, startApiDouble } from './api-double.ts';
import { runMesh, startMesh } from './mesh-command.ts';

const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1, 12, 0, 0, ms)).toISOString();

const run = (status: string, more: object = {}) => ({
  runId: 'r1',
  taskId: 'r1',
  workflow: 'content-moderation',
  version: 1,
  status,
  input: { text: 'hello' },
  createdAt: at(0),
  updatedAt: at(900),
  links: {},
  ...more,
});

const question = {
  id: 'r1-q1',
  runId: 'r1',
  prompt: 'Publish this post?',
  actions: ['approve', 'reject', 'edit'],
  path: ['moderator-toxicity'],
  status: 'open',
  askedAt: at(100),
};

const late = () => problem(409, 'QUESTION_CLOSED', 'bob answered "reject" before');

const entries: { seq: number; at: string; type: string; [field: string]: unknown }[] = [
  { seq: 1, at: at(0), type: 'run-started', data: { workflow: 'content-moderation' } },
  { seq: 2, at: at(5), type: 'call-sent', callId: 'c1', agent: 'spam', attempt: 1, data: { skill: 'score-spam' } },
  { seq: 3, at: at(25), type: 'call-completed', callId: 'c1', agent: 'spam', attempt: 1 },
  { seq: 4, at: at(30), type: 'question-asked', data: { questionId: 'r1-q1', prompt: 'Publish this post?' } },
  { seq: 5, at: at(800), type: 'question-answered', data: { action: 'approve', by: 'alice' } },
  { seq: 6, at: at(900), type: 'run-completed' },
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-commands-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const mesh = (args: string[], env: Record<string, string> = {}) => runMesh(args, { cwd: folder, env });

async function meshWith(
  replies: Record<string, (seen: Seen) => Reply>,
  args: string[],
  env: Record<string, string> = {},
): Promise<Awaited<ReturnType<typeof mesh>> & { seen: ApiDouble['seen'] }> {
  await using api = await startApiDouble(replies);
  return { ...(await mesh([...args, '--url', api.url], env)), seen: api.seen };
}

it('names every problem of the environment', async () => {
  const { exitCode, stderr } = await mesh(['ps'], { MESH_URL: 'nonsense', MESH_PORT: 'x' });
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/MESH_URL.*MESH_PORT/);
});

describe('mesh run', () => {
  it('starts a workflow with the input of a file and prints the run', async () => {
    await writeFile(join(folder, 'post.json'), '{"text":"hello"}');
    const started = {
      'POST /workflows/content-moderation': () => ok({ runId: 'r1' }, 202),
      'GET /runs/r1': () => ok(run('running')),
    };
    const { exitCode, stdout, seen } = await meshWith(
      started,
      ['run', 'content-moderation', '--input', '@post.json', '--key', 'k1'],
      { MESH_TOKEN: 'secret' },
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'r1\n' });
    expect(seen[0]).toMatchObject({
      body: { text: 'hello' },
      headers: { 'idempotency-key': 'k1', authorization: 'Bearer secret', 'content-type': 'application/json' },
    });
  });

  it('follows a run over a broken stream, every entry once, and ends with 1 when it failed', async () => {
    let streams = 0;
    const failed = {
      seq: 6,
      at: at(900),
      type: 'run-failed',
      data: { error: { code: 'PEER_FAILED', message: 'no luck' } },
    };
    const replies = {
      'POST /workflows/w': () => ok({ runId: 'r1' }, 202),
      'GET /runs/r1': () => ok(run(streams === 0 ? 'running' : 'failed', { error: { code: 'PEER_FAILED' } })),
      'GET /runs/r1/events': () => {
        streams += 1;
        return { events: streams === 1 ? entries.slice(0, 3) : [...entries.slice(2, 5), failed] };
      },
    };
    const { exitCode, stdout, seen } = await meshWith(replies, ['run', 'w', '--input', '{}', '--follow', '--json']);
    const lines = stdout
      .trim()
      .split('\n')
      // Each is an entry, and the last the run.
      .map((line) => JSON.parse(line) as { seq?: number; status?: string });
    expect(lines.map(({ seq, status }) => seq ?? status)).toEqual([1, 2, 3, 4, 5, 6, 'failed']);
    expect(seen.filter(({ path }) => path.endsWith('/events'))[1]?.headers['last-event-id']).toBe('3');
    expect(exitCode).toBe(1);
  });
});

describe('mesh show', () => {
  it('shows agents, attempts, the question, who answered and the outcome', async () => {
    const replies = {
      'GET /runs/r1': () => ok(run('completed', { output: { decision: 'approved' } })),
      'GET /runs/r1/timeline': () => ok({ entries: entries.slice(0, 3), nextCursor: '3' }),
      'GET /runs/r1/timeline?cursor=3': () => ok({ entries: entries.slice(3), nextCursor: null }),
      'GET /runs/r1/calls': () => ok({ calls: [] }),
    };
    const { exitCode, stdout } = await meshWith(replies, ['show', 'r1']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/spam <- score-spam, attempt 1/);
    expect(stdout).toContain('question "Publish this post?"');
    expect(stdout).toMatch(/^spam +score-spam +1 +20 ms +completed$/m);
    expect(stdout).toMatch(/^answered +approve by alice$/m);
    expect(stdout).toMatch(/^completed after 900 ms {2}\{"decision":"approved"\}$/m);
  });

  it('shows what a run waits for that moves no further', async () => {
    const call = { callId: 'c1', attempt: 1, state: 'working', agent: 'spam', agentStatus: 'down' };
    const calls = [{ ...call, url: 'http://127.0.0.1:4103', lastSeenAt: new Date(0).toISOString() }];
    const replies = {
      'GET /runs/r1': () => ok(run('running')),
      'GET /runs/r1/timeline': () => ok({ entries: entries.slice(0, 2), nextCursor: null }),
      'GET /runs/r1/calls': () => ok({ calls }),
    };
    const { stdout } = await meshWith(replies, ['show', 'r1']);
    expect(stdout).toMatch(/^waits for spam: it has not answered at http:\/\/127\.0\.0\.1:4103 since \S+/m);
    const { stdout: json } = await meshWith(replies, ['show', 'r1', '--json']);
    expect(JSON.parse(json)).toMatchObject({ run: { status: 'running' }, calls });
  });
});

describe('Ctrl-C', () => {
  it('ends a command that follows a run with 130', async () => {
    await using api = await startApiDouble({
      'GET /runs/r1': () => ok(run('running')),
      'GET /runs/r1/events': () => ({ events: entries.slice(0, 2) }),
    });
    const command = startMesh(['show', 'r1', '--follow', '--json', '--url', api.url], { cwd: folder });
    await command.jsonLine(({ seq }) => seq === 2);
    command.child.kill('SIGINT');
    expect(await command.finished).toMatchObject({ exitCode: 130, stderr: '' });
  });
});

describe('mesh runs, cancel, suspend, resume, peers', () => {
  it('lists runs by status, workflow and page', async () => {
    const path = 'GET /runs?status=waiting&workflow=w&limit=5&cursor=abc';
    const replies = { [path]: () => ok({ runs: [run('waiting')], nextCursor: 'def' }) };
    const args = ['runs', '--status', 'waiting', '--workflow', 'w', '--limit', '5', '--cursor', 'abc'];
    const { exitCode, stdout, stderr } = await meshWith(replies, args);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/r1 +content-moderation +waiting/);
    expect(stderr).toContain('--cursor def');
  });

  it.each(['cancel', 'suspend', 'resume'])('%s asks for it', async (action) => {
    const replies = { [`POST /runs/r1/${action}`]: () => ok(run('running'), 202) };
    const { exitCode, stdout } = await meshWith(replies, [action, 'r1']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('run r1');
  });

  it('shows peers with their skills', async () => {
    const peer = { name: 'writer', url: 'http://127.0.0.1:4102', status: 'up', skills: [{ id: 'write' }] };
    const { stdout } = await meshWith({ 'GET /peers': () => ok({ peers: [peer] }) }, ['peers']);
    expect(stdout).toMatch(/^writer +up +http:\/\/127.0.0.1:4102 +write$/m);
  });
});

describe('mesh events and redrive', () => {
  it('shows what became of events', async () => {
    const events = [
      {
        at: at(0),
        direction: 'in',
        event: { type: 'Broke', subject: 'd1' },
        outcome: { status: 'started', runId: 'r1' },
      },
      { at: at(0), direction: 'out', event: { type: 'RunFailed' } },
    ];
    const outbox = { waiting: 7, since: '2026-01-01T00:00:00Z', dropped: 3 };
    const replies = { 'GET /events?status=started': () => ok({ events, outbox }) };
    const { stdout, stderr } = await meshWith(replies, ['events', '--status', 'started']);
    expect(stdout).toMatch(/in +Broke +d1 +started +r1$/m);
    expect(stdout).toMatch(/out +RunFailed$/m);
    expect(stderr).toMatch(/^7 wait for the bus, since .*2026.*\n3 were dropped/m);
  });

  it('shows what was given up, and delivers it again', async () => {
    const delivery = { deliveryId: 'evt_1_0', url: 'https://hook.example', tries: 10, error: 'answered 500' };
    const parked = { sequence: 7, consumer: 'coordinator', deliveries: 8, reason: 'broken' };
    const replies = {
      'GET /events/deliveries?status=dead': () => ok({ deliveries: [delivery] }),
      'GET /events/parked': () => ok({ parked: [parked] }),
      'POST /events/deliveries/evt_1_0/redrive': () => ok(delivery, 202),
      'POST /events/parked/7/redrive': () => ok({}, 202),
    };
    const { stdout } = await meshWith(replies, ['events', '--dead']);
    expect(stdout).toMatch(/^evt_1_0 +https:\/\/hook.example +10 +answered 500$/m);
    expect(stdout).toMatch(/^7 +coordinator +8 +broken$/m);
    for (const id of ['evt_1_0', '7']) {
      expect(await meshWith(replies, ['redrive', id])).toMatchObject({
        exitCode: 0,
        stdout: `${id} is delivered again\n`,
      });
    }
  });
});

describe('mesh inbox and answer', () => {
  it('shows open questions with a command that answers them', async () => {
    const replies = { 'GET /questions?status=open': () => ok({ questions: [question], nextCursor: null }) };
    const { stdout } = await meshWith(replies, ['inbox']);
    expect(stdout).toContain('Publish this post?');
    expect(stdout).toContain('npx mesh answer r1-q1 --approve');
    expect(stdout).toContain('--reject "why"');
  });

  it.each([
    [['--mine'], { MESH_TOKEN: 'secret' }, 'mine=true'],
    [['--mine'], {}, `assignee=${userInfo().username}`],
    [['--role', 'manager'], {}, 'assignee=manager'],
  ])('asks for the questions of %j', async (flags, env, query) => {
    const approvals = { required: 2, of: ['manager'], given: [{ by: 'ann', at: at(0) }], missing: 1 };
    const page = { questions: [{ ...question, approvals }], nextCursor: null };
    const replies = { [`GET /questions?status=open&${query}`]: () => ok(page) };
    const { exitCode, stdout } = await meshWith(replies, ['inbox', ...flags], env);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ {2}approvals 1 of 2 \(ann\), 1 more of manager$/m);
  });

  it('says that others must approve, too', async () => {
    const approvals = { required: 3, given: [{ by: 'ann', at: at(0) }], missing: 2 };
    const replies = { 'POST /questions/r1-q1/answer': () => ok({ ...question, approvals }) };
    const { exitCode, stdout } = await meshWith(replies, ['answer', 'r1-q1', '--approve']);
    expect([exitCode, stdout]).toEqual([0, 'approved r1-q1; 2 more must approve\n']);
  });

  it.each([
    [['--approve'], { action: 'approve' }],
    [['--reject', 'rude'], { action: 'reject', reason: 'rude' }],
    [['--value', '"kinder"', '--reason', 'tone'], { action: 'edit', value: 'kinder', reason: 'tone' }],
  ])('answers with %j', async (flags, expected) => {
    const replies = {
      'GET /questions/r1-q1': () => ok(question),
      'POST /questions/r1-q1/answer': () => ok({ ...question, status: 'answered' }),
    };
    const { exitCode, seen } = await meshWith(replies, ['answer', 'r1-q1', ...flags, '--by', 'alice']);
    expect(exitCode).toBe(0);
    expect(seen.at(-1)?.body).toEqual({ ...expected, by: 'alice' });
  });

  it('gives a value as an answer where nothing can be edited', async () => {
    const replies = {
      'GET /questions/r1-q1': () => ok({ ...question, actions: ['answer'] }),
      'POST /questions/r1-q1/answer': () => ok(question),
    };
    const { seen } = await meshWith(replies, ['answer', 'r1-q1', '--value', '{"choice":"retry"}']);
    expect(seen.at(-1)?.body).toMatchObject({ action: 'answer', value: { choice: 'retry' } });
  });

  it('says who was first when the answer comes too late', async () => {
    const { exitCode, stderr } = await meshWith({ 'POST /questions/r1-q1/answer': late }, [
      'answer',
      'r1-q1',
      '--approve',
    ]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('bob answered "reject" before');
  });
});

describe('mesh artifact', () => {
  const artifacts = [
    { artifactId: 'content', name: 'a.html', mediaType: 'text/html' },
    { artifactId: 'result', name: 'r.json', mediaType: 'application/json' },
  ];
  const replies = {
    'GET /runs/r1/artifacts': () => ok({ artifacts }),
    'GET /runs/r1/artifacts/content': () => ({ text: '<h1>A</h1>' }),
    'GET /runs/r1/artifacts/result': () => ({ text: '{}' }),
    'GET /runs/r2/artifacts': () => ok({ artifacts: [] }),
  };

  it('prints the first artifact, the named one, or the list', async () => {
    expect(await meshWith(replies, ['artifact', 'r1'])).toMatchObject({ exitCode: 0, stdout: '<h1>A</h1>\n' });
    expect(await meshWith(replies, ['artifact', 'r1', 'result'])).toMatchObject({ exitCode: 0, stdout: '{}\n' });
    const { stdout } = await meshWith(replies, ['artifact', 'r1', '--json']);
    expect(JSON.parse(stdout)).toEqual({ artifacts });
  });

  it('saves it as a file', async () => {
    const { exitCode } = await meshWith(replies, ['artifact', 'r1', '--out', 'report.html']);
    expect([exitCode, await readFile(join(folder, 'report.html'), 'utf8')]).toEqual([0, '<h1>A</h1>']);
  });

  it.each([['r2'], ['r1', 'none'], ['r3']])('refuses what is not there: %s %s', async (...args) => {
    expect((await meshWith(replies, ['artifact', ...args])).exitCode).toBe(4);
  });
});
