import { listen } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silent, TestMesh } from '../runs/testing/test-mesh.ts';
import { createDirectory, type Directory } from './directory.ts';
import type { ForeignPolicy } from './foreign-agents.ts';

const nothing = async () => ({});

describe('the directory', () => {
  let mesh: TestMesh;
  let directory: Directory;
  beforeEach(async () => {
    mesh = await TestMesh.create({});
  });
  afterEach(async () => {
    await directory.close();
    await mesh[Symbol.asyncDispose]();
  });

  const open = async (origins: string[]) => {
    directory = createDirectory({ origins, logger: silent, refreshMs: 50 });
    await directory.start();
  };

  it('picks by skill and by name, in the configured order, healthy ones first', async () => {
    const one = await mesh.agent({ read: nothing, write: nothing }, { name: 'one' });
    const two = await mesh.agent({ write: nothing }, { name: 'two' });
    await open([one.url, two.url]);
    expect(directory.choose({ skill: 'write' })?.name).toBe('one');
    expect(directory.choose({ agent: 'two' })?.name).toBe('two');
    expect(directory.choose({ agent: 'two', skill: 'write' })?.name).toBe('two');
    expect(() => directory.choose({ agent: 'two', skill: 'read' })).toThrow(
      expect.objectContaining({ code: 'SKILL_NOT_FOUND' }),
    );
    expect(() => directory.choose({ skill: 'fly' })).toThrow(expect.objectContaining({ code: 'SKILL_NOT_FOUND' }));
    expect(() => directory.choose({ agent: 'three' })).toThrow(expect.objectContaining({ code: 'PEER_NOT_FOUND' }));
    await one.close();
    await vi.waitFor(() => expect(directory.list()[0]?.status).toBe('down'), 5_000);
    expect(directory.choose({ skill: 'write' })?.name).toBe('two');
    expect(directory.choose({ skill: 'read' })?.name).toBe('one');
  });

  it('does not deny a skill while an agent is still unknown', async () => {
    const known = await mesh.agent({ read: nothing }, { name: 'known' });
    const late = await mesh.agent({ write: nothing }, { name: 'late' });
    await late.close();
    await open([known.url, late.url]);
    expect(directory.choose({ skill: 'read' })?.name).toBe('known');
    expect(directory.choose({ skill: 'write' })).toBeUndefined();
    expect(directory.choose({ agent: 'late' })).toBeUndefined();
    expect(directory.list()).toMatchObject([{ name: 'known', status: 'up' }, { status: 'unknown' }]);
    const up = vi.fn<() => void>();
    directory.up.listen(up);
    await mesh.agent({ write: nothing }, { name: 'late', port: Number(new URL(late.url).port) });
    await vi.waitFor(() => expect(directory.choose({ skill: 'write' })?.name).toBe('late'), 5_000);
    expect(up).toHaveBeenCalledOnce();
  });

  it('takes agents that announce themselves, as far as it may, and lets them go', async () => {
    const known = await mesh.agent({ read: nothing }, { name: 'known' });
    const guest = await mesh.agent({ write: nothing }, { name: 'guest' });
    const impostor = await mesh.agent({ read: nothing }, { name: 'known-too' });
    directory = createDirectory({
      origins: [known.url],
      token: 'secret',
      logger: silent,
      refreshMs: 50,
      foreign: { origins: [], loopback: true },
    });
    await directory.start();
    const { here, silent: fallSilent, left } = directory.announced;
    for (const { url } of [known, guest, impostor, guest]) here({ name: 'said', url });
    here({ name: 'outside', url: 'http://198.51.100.7:80' });
    await vi.waitFor(() => expect(directory.choose({ skill: 'write' })?.name).toBe('guest'), 5_000);
    const listed = () => directory.list().map(({ url }) => url);
    await vi.waitFor(() => expect(listed()).toEqual([known.url, guest.url, impostor.url]), 5_000);
    expect(directory.at(guest.url)?.name).toBe('guest');
    await guest.close();
    fallSilent({ name: 'guest', url: guest.url });
    await vi.waitFor(() => expect(directory.list()[1]?.status).toBe('down'), 5_000);
    left({ name: 'guest', url: guest.url });
    await vi.waitFor(() => expect(listed()).toEqual([known.url, impostor.url]), 5_000);
    expect(() => directory.choose({ agent: 'guest' })).toThrow(expect.objectContaining({ code: 'PEER_NOT_FOUND' }));
    // Anybody may say so of anybody.
    for (const { url } of [known, impostor]) left({ name: 'said', url });
    const seenAt = () => directory.list().map(({ lastSeenAt }) => Date.parse(lastSeenAt ?? ''));
    const before = seenAt();
    await vi.waitFor(() => expect(seenAt().every((at, n) => at > (before[n] ?? 0))).toBe(true), 5_000);
    expect(directory.list()).toMatchObject([
      { url: known.url, status: 'up' },
      { url: impostor.url, status: 'up' },
    ]);
  });

  it('lets no invented announcement take the place of an agent, and keeps nothing of it', async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    directory = createDirectory({ origins: [], logger, refreshMs: 50, foreign: { origins: [], loopback: true } });
    await directory.start();
    const { here, follows } = directory.announced;
    // One that takes connections and never answers.
    await using mute = await listen(() => undefined);
    const muteUrls = Array.from({ length: 500 }, (_, n) => mute.url.replace('127.0.0.1', `127.0.1.${(n % 250) + 1}`));
    const deadUrls = Array.from({ length: 5_000 }, (_, n) => `http://127.0.0.1:${n + 1}`);
    const flood = () => [...deadUrls, ...muteUrls].forEach((url) => here({ name: 'invented', url }));
    flood();
    expect([...deadUrls, ...muteUrls].filter((url) => follows(url)).length).toBeLessThanOrEqual(32);
    const guest = await mesh.agent({ write: nothing }, { name: 'guest' });
    // As agents do, it says so again and again.
    const announcing = setInterval(() => here({ name: 'guest', url: guest.url }), 20);
    try {
      await vi.waitFor(() => expect(directory.list()).toMatchObject([{ name: 'guest', status: 'up' }]), 20_000);
    } finally {
      clearInterval(announcing);
    }
    flood();
    expect(directory.list()).toMatchObject([{ name: 'guest', status: 'up' }]);
    await vi.waitFor(() => expect(deadUrls.filter((url) => follows(url))).toEqual([]), 20_000);
    expect(lines.filter((line) => line.includes('"level":40'))).toEqual([]);
  });

  it('prefers a configured peer to an announced one of the same name, also while it is down', async () => {
    const real = await mesh.agent({ read: nothing }, { name: 'real' });
    await using elsewhere = await TestMesh.create({});
    const other = await elsewhere.agent({ read: nothing }, { name: 'real' });
    directory = createDirectory({
      origins: [real.url],
      logger: silent,
      refreshMs: 50,
      foreign: { origins: [other.url], loopback: false },
    });
    await directory.start();
    directory.announced.here({ name: 'real', url: other.url });
    await vi.waitFor(() => expect(directory.list()[1]?.status).toBe('up'), 5_000);
    await real.close();
    await vi.waitFor(() => expect(directory.list()[0]?.status).toBe('down'), 5_000);
    expect(directory.choose({ skill: 'read' })?.origin).toBe(real.url);
    expect(directory.choose({ agent: 'real' })?.origin).toBe(real.url);
  });

  it('notices a card that changed, and an agent that is back', async () => {
    const first = await mesh.agent({ read: nothing }, { name: 'agent' });
    await open([first.url]);
    await first.close();
    directory.reportDown(first.url);
    expect(directory.list()[0]?.status).toBe('down');
    await mesh.agent({ read: nothing, write: nothing }, { name: 'agent', port: Number(new URL(first.url).port) });
    await vi.waitFor(() => expect(directory.list()[0]?.skills.map(({ id }) => id)).toEqual(['read', 'write']), 5_000);
    expect(directory.list()[0]?.status).toBe('up');
  });
});

describe('agents outside the mesh', () => {
  let mesh: TestMesh;
  let directory: Directory;
  beforeEach(async () => {
    mesh = await TestMesh.create({});
  });
  afterEach(async () => {
    await directory.close();
    await mesh[Symbol.asyncDispose]();
  });

  const open = async (foreign: ForeignPolicy, origins: string[] = [], token?: string) => {
    directory = createDirectory({ origins, token, logger: silent, refreshMs: 50, foreign });
    await directory.start();
  };
  const send = (url: string) => directory.choose({ url })?.client.send({ text: 'hello' });
  const nowhere = { origins: [], loopback: false };

  it('are found by their URL where the operator allows it, and nowhere else', async () => {
    const agent = await mesh.agent({ read: nothing }, { name: 'stranger', ours: false });
    await open({ origins: [agent.url], loopback: false });
    await vi.waitFor(() => expect(directory.choose({ url: `${agent.url}/` })?.name).toBe('stranger'), 5_000);
    expect(directory.choose({ url: `${agent.url}/.well-known/agent-card.json` })?.origin).toBe(agent.url);
    expect(() => directory.choose({ url: agent.url, skill: 'fly' })).toThrow(
      expect.objectContaining({ code: 'SKILL_NOT_FOUND' }),
    );
    // It is no peer: nobody gets it who did not name it.
    expect(directory.list()).toEqual([]);
    expect(() => directory.choose({ skill: 'read' })).toThrow(expect.objectContaining({ code: 'SKILL_NOT_FOUND' }));
  });

  it.each([
    ['http://169.254.169.254/latest', 'FORBIDDEN'],
    ['http://10.0.0.1', 'FORBIDDEN'],
    ['http://127.0.0.1:1', 'FORBIDDEN'],
    ['http://127.0.0.1.example.org', 'FORBIDDEN'],
    ['https://user:secret@127.0.0.1', 'INVALID_ARGUMENT'],
    ['file:///etc/passwd', 'INVALID_ARGUMENT'],
    ['not a url', 'INVALID_ARGUMENT'],
  ])('%s may not be called', async (url, code) => {
    await open(nowhere);
    const message = expect.not.stringContaining('secret');
    expect(() => directory.choose({ url })).toThrow(expect.objectContaining({ code, message }));
    expect(directory.at(url)).toBeUndefined();
  });

  it('on this machine may be called by a coordinator that is reachable from there only', async () => {
    await open({ origins: [], loopback: true });
    for (const url of ['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1']) {
      expect(directory.choose({ url })).toBeUndefined();
    }
    expect(() => directory.choose({ url: 'http://127.evil.example' })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
  });

  it('are refused when their card points somewhere else', async () => {
    const card = { name: 'lure', skills: [], supportedInterfaces: [] as object[] };
    card.supportedInterfaces = [
      { url: 'http://169.254.169.254/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    ];
    await using lure = await serveJson(card);
    await open({ origins: [lure.url], loopback: true });
    await vi.waitFor(
      () => expect(() => directory.choose({ url: lure.url })).toThrow(/169\.254\.169\.254.*MESH_ALLOW_AGENTS/u),
      5_000,
    );
  });

  it('are called where their card said before it began to point somewhere else', async () => {
    const elsewhere = 'http://169.254.169.254/a2a';
    const at = { protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
    const card = { name: 'lure', skills: [], supportedInterfaces: [] as object[] };
    await using lure = await serveJson(card);
    card.supportedInterfaces = [{ url: `${lure.url}/a2a`, ...at }];
    await open({ origins: [], loopback: true });
    directory.announced.here({ name: 'lure', url: lure.url });
    await vi.waitFor(() => expect(directory.at(lure.url)?.healthy).toBe(true), 5_000);
    const { client } = directory.at(lure.url) ?? {};
    card.supportedInterfaces = [{ url: elsewhere, ...at }];
    await expect(client?.refresh()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await vi.waitFor(() => expect(directory.at(lure.url)?.healthy).toBe(false), 5_000);
    expect(client?.url).toBe(`${lure.url}/a2a`);
  });

  it.each([
    [
      'an agent of A2A 0.3',
      { name: 'old', url: 'http://127.0.0.1/', protocolVersion: '0.3.0', skills: [] },
      'PEER_FAILED',
    ],
    ['an agent that offers 0.3 only', offering('JSONRPC', '0.3.0'), 'VERSION_NOT_SUPPORTED'],
    ['an agent that offers gRPC only', offering('GRPC', '1.0'), 'VERSION_NOT_SUPPORTED'],
    ['something else', { status: 'ok' }, 'PEER_FAILED'],
  ])('are refused, not waited for, when it is %s', async (_what, card, code) => {
    await using server = await serveJson(card);
    await open({ origins: [], loopback: true });
    await vi.waitFor(() => expect(() => directory.choose({ url: server.url })).toThrow(/A2A 1\.0/u), 5_000);
    expect(() => directory.choose({ url: server.url })).toThrow(expect.objectContaining({ code }));
    expect(directory.at(server.url)).toBeUndefined();
  });

  it('never get the token of the mesh, and a peer named by its URL does', async () => {
    const seen: (string | undefined)[] = [];
    await using foreign = await serveAgent((authorization) => seen.push(authorization));
    await using peer = await serveAgent((authorization) => seen.push(authorization));
    await open({ origins: [], loopback: true }, [peer.url], 'secret');
    await vi.waitFor(() => expect(directory.choose({ url: foreign.url })).toBeDefined(), 5_000);
    await send(foreign.url)?.catch(() => undefined);
    await send(peer.url)?.catch(() => undefined);
    expect(seen).toEqual([undefined, 'Bearer secret']);
  });
});

function offering(protocolBinding: string, protocolVersion: string): object {
  return {
    name: 'old',
    skills: [],
    supportedInterfaces: [{ url: 'http://127.0.0.1/', protocolBinding, protocolVersion }],
  };
}

const serveJson = (body: unknown) =>
  listen((_, response) => void response.setHeader('content-type', 'application/json').end(JSON.stringify(body)));

/** An agent that is asked once, and tells with which credential. */
const serveAgent = (onMessage: (authorization: string | undefined) => void) =>
  listen((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST') {
      onMessage(request.headers.authorization);
      response.statusCode = 400;
      response.end('{}');
      return;
    }
    const url = `http://${request.headers.host}/a2a`;
    const supportedInterfaces = [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    response.end(JSON.stringify({ name: 'agent', skills: [], supportedInterfaces }));
  });
