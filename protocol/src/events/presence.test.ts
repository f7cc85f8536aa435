import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NatsServer, skipNats } from '../testing/nats-server.ts';
import { announcePresence, type PresentAgent, watchPresence } from './presence.ts';

const logger = pino({ level: 'silent' });

describe.skipIf(skipNats(process.env))('presence on NATS', () => {
  let folder: string;
  let server: NatsServer;
  let told: string[];
  let watching: AsyncDisposable;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-presence-'));
    server = await NatsServer.start(join(folder, 'nats'));
    told = [];
    const tell =
      (what: string) =>
      ({ name, url }: PresentAgent): void => {
        const line = `${what} ${name} ${url}`;
        if (told.at(-1) !== line) told.push(line);
      };
    watching = await watchPresence({
      natsUrl: server.url,
      logger,
      silentMs: 1_000,
      onHere: tell('here'),
      follows: () => true,
      onSilent: tell('silent'),
      onLeft: tell('left'),
    });
  });
  afterEach(async () => {
    await watching[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const agent = { name: 'one', url: 'http://127.0.0.1:4999' };
  const announce = (everyMs: number) => announcePresence({ ...agent, natsUrl: server.url, logger, everyMs });
  const line = (what: string) => `${what} one ${agent.url}`;

  it('tells who comes and who leaves, over a crash of the server', async () => {
    const announcing = await announce(100);
    await vi.waitFor(() => expect(told).toEqual([line('here')]), 20_000);
    await server.kill();
    await server.restart();
    told = [];
    await vi.waitFor(() => expect(told).toEqual([line('here')]), 20_000);
    await announcing[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(told).toEqual([line('here'), line('left')]), 20_000);
  });

  it('tells once who has gone without a word, and that he is back', async () => {
    const connection = await connect({ servers: server.url });
    const say = (text: string): void => connection.publish('mesh.presence', text);
    await vi.waitFor(async () => {
      say(JSON.stringify({ kind: 'here', ...agent }));
      await connection.flush();
      expect(told).toEqual([line('here')]);
    }, 20_000);
    await vi.waitFor(() => expect(told).toEqual([line('here'), line('silent')]), 20_000);
    for (const noise of ['no json', '{}', '{"kind":"here","name":"x","url":"file:///etc"}', '[]']) say(noise);
    say(JSON.stringify({ kind: 'here', ...agent }));
    await vi.waitFor(() => expect(told.slice(0, 3)).toEqual([line('here'), line('silent'), line('here')]), 20_000);
    await connection.close();
  });

  it('does not hold up an agent while the server is away', async () => {
    await server.kill();
    await (await announce(100))[Symbol.asyncDispose]();
    expect(told).toEqual([]);
  });

  it('complains once where it may not listen', async () => {
    const config = join(folder, 'deaf.conf');
    const permissions = '{ subscribe: { deny: "mesh.presence" } }';
    await writeFile(config, `authorization { users: [{ user: u, password: p, permissions: ${permissions} }] }`);
    await using strict = await NatsServer.start(join(folder, 'strict'), ['-c', config]);
    const levels: unknown[] = [];
    const write = (line: string): void => {
      const { level, msg } = JSON.parse(line);
      if (String(msg).includes('cannot be heard')) levels.push(level);
    };
    const natsUrl = strict.url.replace('//', '//u:p@');
    const quiet = { onHere: () => undefined, follows: () => false, onSilent: () => undefined, onLeft: () => undefined };
    await using stack = new AsyncDisposableStack();
    stack.use(await watchPresence({ natsUrl, logger: pino({ level: 'debug' }, { write }), ...quiet }));
    await vi.waitFor(() => expect(levels).toEqual([40, 20]), { timeout: 20_000, interval: 20 });
  });

  it('keeps nothing of whom nobody follows', async () => {
    const heard: string[] = [];
    let followed = false;
    let asked = 0;
    const follows = (): boolean => {
      asked += 1;
      return followed;
    };
    const note =
      (what: string) =>
      ({ name }: PresentAgent): void => {
        heard.push(`${what} ${name}`);
        // Whether it is followed is asked next; whoever is forgotten then does not fall silent later.
        if (name === 'one') queueMicrotask(() => (followed = true));
        if (name === 'three') queueMicrotask(() => ([followed, asked] = [false, 0]));
      };
    const listener = { onHere: note('here'), follows, onSilent: note('silent'), onLeft: note('left') };
    await using stack = new AsyncDisposableStack();
    stack.use(await watchPresence({ natsUrl: server.url, logger, silentMs: 400, ...listener }));
    const connection = await connect({ servers: server.url });
    const say = async (name: string, port: number): Promise<void> => {
      connection.publish('mesh.presence', JSON.stringify({ kind: 'here', name, url: `http://127.0.0.1:${port}` }));
      await connection.flush();
    };
    await vi.waitFor(async () => {
      if (heard.length === 0) await say('one', 4999);
      expect(heard).toEqual(['here one']);
    }, 20_000);
    await say('two', 4998);
    await vi.waitFor(() => expect(heard).toEqual(['here one', 'here two', 'silent two']), 20_000);
    await say('three', 4997);
    await vi.waitFor(() => expect([followed, asked > 1]).toEqual([false, true]), 20_000);
    followed = true;
    await say('four', 4996);
    await vi.waitFor(() => expect(heard).toContain('silent four'), 20_000);
    expect(heard.slice(3)).toEqual(['here three', 'here four', 'silent four']);
    await connection.close();
  });
});
