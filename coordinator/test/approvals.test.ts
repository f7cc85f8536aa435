import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { people, tokenOf } from '../src/inbox/testing/people.ts';
import { http, openQuestion, startCoordinator, type TestCoordinator } from './coordinator.ts';
import { AgentProcess } from './fixtures/agent-process.ts';
import { approval } from './fixtures/approval.ts';

let folder: string;
let environment: { MESH_TOKEN: string; MESH_PRINCIPALS: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'approvals-'));
  const path = join(folder, 'principals.json');
  await writeFile(path, JSON.stringify(people.principals));
  environment = { MESH_TOKEN: people.token, MESH_PRINCIPALS: path };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bearer = (name: string) => ({
  headers: { authorization: `Bearer ${name === 'mesh' ? people.token : tokenOf(name)}` },
});
const as = (url: string, name: string, path: string, body?: unknown) => http(`${url}${path}`, body, bearer(name));
const start = async (url: string): Promise<string> =>
  (await as(url, 'eve', '/workflows/approval', { amount: 5 })).body.runId;
const asked = (url: string, runId: string) => openQuestion(url, runId, /Spend/, bearer('eve').headers);
const approve = (url: string, name: string, id: string) =>
  as(url, name, `/questions/${id}/answer`, { action: 'approve', by: 'ann' });
/** Asks a coordinator that may be away. */
const patiently = <T>(ask: () => Promise<T>): Promise<T> => vi.waitFor(ask, { timeout: 30_000, interval: 50 });
const outcome = (url: string, runId: string) =>
  vi.waitFor(
    async () => {
      const { status, output } = (await as(url, 'eve', `/runs/${runId}?wait=5s`)).body;
      expect(status).toBe('completed');
      return output;
    },
    { timeout: 30_000 },
  );

describe('approvals of several people', () => {
  let coordinator: TestCoordinator;
  beforeAll(async () => {
    coordinator = await startCoordinator(environment, [approval]);
  });
  afterAll(() => coordinator[Symbol.asyncDispose]());

  it('come over HTTP, A2A and as events, from those who are asked, each once', async () => {
    const { url } = coordinator;
    const runId = await start(url);
    const { id } = await asked(url, runId);
    expect((await http(`${url}/questions/${id}/answer`, { action: 'approve' })).status).toBe(401);
    expect(await approve(url, 'eve', id)).toMatchObject({ status: 403, body: { code: 'NOT_ASSIGNED' } });
    // The name in the body is nobody's who has a token.
    expect(await approve(url, 'bob', id)).toMatchObject({
      status: 200,
      body: { status: 'open', approvals: { given: [{ by: 'bob' }], missing: 1 } },
    });
    expect(await approve(url, 'bob', id)).toMatchObject({ status: 409, body: { code: 'ALREADY_APPROVED' } });
    const event = { approved: true };
    expect(await as(url, 'bob', `/runs/${runId}/events/approval_received`, event)).toMatchObject({
      status: 409,
      body: { code: 'ALREADY_APPROVED' },
    });
    expect(await as(url, 'eve', `/runs/${runId}/events/approval_received`, event)).toMatchObject({ status: 403 });

    const answerAs = async (name: string) => {
      const client = await AgentClient.connect(url, {
        token: name === 'mesh' ? people.token : tokenOf(name),
      });
      return client.answer(runId, { questionId: id, action: 'approve' }, { messageId: newId() });
    };
    await expect(answerAs('eve')).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
    await expect(answerAs('bob')).rejects.toMatchObject({ code: 'ALREADY_APPROVED' });
    await answerAs('ann');
    expect(await outcome(url, runId)).toEqual({ decision: 'approve', approvals: ['bob', 'ann'] });
    const types = (await as(url, 'eve', `/runs/${runId}/timeline`)).body.entries.map(
      ({ type }: { type: string }) => type,
    );
    expect(types.filter((type: string) => type === 'question-approved')).toHaveLength(2);
  });

  it('are found by those who are asked', async () => {
    const { url } = coordinator;
    const { id } = await asked(url, await start(url));
    const found = async (name: string, query: string): Promise<string[]> =>
      (await as(url, name, `/questions?status=open&${query}`)).body.questions.map((each: { id: string }) => each.id);
    expect(await found('ann', 'mine=true')).toEqual([id]);
    expect(await found('eve', 'mine=true')).toEqual([]);
    expect(await found('eve', 'assignee=manager')).toEqual([id]);
    expect(await found('eve', 'assignee=nobody')).toEqual([]);
    expect(await as(url, 'eve', '/questions?mine=yes')).toMatchObject({ status: 400 });
    // The reminder comes by itself.
    await expect
      .poll(async () => (await as(url, 'ann', `/questions/${id}`)).body.reminded, { timeout: 20_000 })
      .toBe(1);
  });
});

it('are refused where nobody has a token', async () => {
  await using coordinator = await startCoordinator({}, [approval]);
  const { url } = coordinator;
  const { runId } = (await http(`${url}/workflows/approval`, { amount: 5 })).body;
  const { id } = await openQuestion(url, runId);
  const refused = { status: 403, body: { code: 'AUTHENTICATION_REQUIRED' } };
  expect(await http(`${url}/questions/${id}/answer`, { action: 'approve', by: 'mesh' })).toMatchObject(refused);
  expect(await http(`${url}/runs/${runId}/events/approval_received`, { approved: true, by: 'ann' })).toMatchObject(
    refused,
  );
  const client = await AgentClient.connect(url);
  await expect(client.answer(runId, { questionId: id, action: 'approve' })).rejects.toMatchObject(refused.body);
  expect(await http(`${url}/questions?mine=true`)).toMatchObject(refused);
  expect((await http(`${url}/questions/${id}`)).body).toMatchObject({ status: 'open', approvals: { missing: 2 } });
});

it('survive a coordinator that is killed between two of them', { timeout: 90_000 }, async () => {
  await using coordinator = new AgentProcess(new URL('fixtures/approval-coordinator.ts', import.meta.url), {
    ...environment,
    MESH_DATA: join(folder, 'coordinator'),
    MESH_KILL_AT: 'approval-stored',
  });
  const stop = new AbortController();
  const supervised = coordinator.supervise(stop.signal);
  try {
    const runId = await patiently(() => start(coordinator.url));
    const { id } = await patiently(() => asked(coordinator.url, runId));
    // The answer is lost with the process; the approval is not.
    await approve(coordinator.url, 'ann', id).catch(() => undefined);
    await patiently(async () => {
      const again = await approve(coordinator.url, 'ann', id);
      expect(again).toMatchObject({ status: 409, body: { code: 'ALREADY_APPROVED' } });
    });
    await patiently(() => approve(coordinator.url, 'bob', id));
    expect(await outcome(coordinator.url, runId)).toEqual({ decision: 'approve', approvals: ['ann', 'bob'] });
    expect(coordinator).toMatchObject({ starts: 2, kills: 1 });
  } finally {
    stop.abort();
    await supervised;
  }
});
