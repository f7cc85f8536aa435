import { expect, it, vi } from 'vitest';
import { ok, startApiDouble } from '../test/api-double.ts';
import { MeshApi, type OpenCall } from './mesh-api.ts';
import { tellWaiting, waitingLines } from './waiting-calls.ts';

const time = new Date(0).toISOString();
const clock = new Date(0).toLocaleTimeString();
const call = (fields: Partial<OpenCall>): OpenCall => ({
  callId: 'c1',
  attempt: 1,
  state: 'unsent',
  agentStatus: 'up',
  ...fields,
});

it.each<[string, Partial<OpenCall>, string]>([
  [
    'an agent that does not answer',
    { agent: 'writer', url: 'http://127.0.0.1:1', agentStatus: 'down', lastSeenAt: time, deadline: time },
    `waits for writer: it has not answered at http://127.0.0.1:1 since ${clock}, given up at ${clock}`,
  ],
  [
    'an agent nobody knows',
    { skill: 'write', agentStatus: 'unknown', nextTryAt: time },
    `waits for write: it is not known yet, next try at ${clock}`,
  ],
  [
    'an agent that came back elsewhere',
    { agent: 'writer', state: 'working', url: 'http://127.0.0.1:1', agentStatus: 'unknown', deadline: time },
    `waits for writer: no agent is known at http://127.0.0.1:1, given up at ${clock}`,
  ],
  [
    'an agent without room',
    { agent: 'writer', nextTryAt: time },
    `waits for writer: it did not take the message yet, next try at ${clock}`,
  ],
])('names %s', (_what, fields, line) => {
  expect(waitingLines([call(fields)])).toEqual([line]);
});

it.each<[string, Partial<OpenCall>]>([
  ['works', { agent: 'writer', state: 'working' }],
  ['is being asked', { agent: 'writer', state: 'sending' }],
  ['is about to be asked for the first time', { skill: 'write', agentStatus: 'unknown' }],
])('says nothing of an agent that %s', (_what, fields) => {
  expect(waitingLines([call(fields)])).toEqual([]);
});

it('tells each state of things once, and again after it was over', async () => {
  let agentStatus = 'down';
  let looks = 0;
  await using api = await startApiDouble({
    'GET /runs/r1/calls': () => {
      looks += 1;
      return looks === 1
        ? ok({ title: 'away' }, 503)
        : ok({ calls: [{ ...call({ agent: 'writer', state: 'working' }), agentStatus }] });
    },
  });
  const told: unknown[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(text) > 0);
  try {
    using stack = new DisposableStack();
    stack.use(tellWaiting(new MeshApi(api.url), 'r1', 5));
    const after = (count: number) => vi.waitFor(() => expect(looks).toBeGreaterThan(count), 20_000);
    await after(4);
    expect(told).toHaveLength(1);
    agentStatus = 'up';
    await after(looks + 2);
    agentStatus = 'down';
    await after(looks + 3);
    expect(told).toEqual(Array(2).fill('waits for writer: it has not answered\n'));
  } finally {
    write.mockRestore();
  }
});
