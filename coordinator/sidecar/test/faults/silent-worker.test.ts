import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTokenCheck } from '../../src/api-token.ts';
import { Engine } from '../../src/engine/engine.ts';
import { startGrpcServer } from '../../src/grpc/grpc-server.ts';
import { createTaskHubService } from '../../src/grpc/task-hub-service.ts';
import { silentLogger } from '../../src/logger.ts';
import { prepareSchema } from '../../src/store/schema.ts';
import { SqliteDatabase } from '../../src/store/sqlite-database.ts';
import { createStore } from '../../src/store/store.ts';
import { RawClient } from '../raw-client.ts';
import { temporaryFolder } from '../world.ts';

const host = '127.0.0.1';

/** A network in front of a port, which can fail in such a way that neither end is told. */
async function startNetwork(port: number) {
  const pairs: [Socket, Socket][] = [];
  const server = createServer((near) => {
    const far = connect(port, host);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far);
    far.pipe(near);
    pairs.push([near, far]);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('not listening');
  return {
    address: `${host}:${address.port}`,
    cut() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.resume();
        far.resume();
      }
    },
    [Symbol.dispose]() {
      for (const socket of pairs.flat()) socket.destroy();
      server.close();
    },
  };
}

it('a worker that is gone without a word loses what it had to one that is there', { timeout: 40_000 }, async () => {
  using folder = temporaryFolder();
  await using stack = new AsyncDisposableStack();
  const database = new SqliteDatabase(join(folder.path, 'engine.db'), 'normal', () => {});
  stack.defer(() => database.close());
  prepareSchema(database);
  const options = { store: createStore(database), logger: silentLogger, now: Date.now, maxMessageBytes: 1_000_000 };
  const engine = new Engine(options);
  stack.defer(() => engine.stop());
  await engine.start();
  const server = await startGrpcServer({
    host,
    port: 0,
    handlers: createTaskHubService(engine, 100),
    isTokenValid: createTokenCheck(undefined),
    logger: silentLogger,
    ping: { everyMs: 100, timeoutMs: 3000 },
  });
  try {
    using network = await startNetwork(server.port);
    using remote = new RawClient(network.address);
    const silent = remote.worker();
    using client = new RawClient(`${host}:${server.port}`);
    client.call('startInstance', { instanceId: 'run-1', name: 'flow' }).catch(() => {});
    await silent.nextTurn();
    const worker = client.worker();
    network.cut();
    await expect.poll(() => worker.items.length, { timeout: 30_000 }).toBe(1);
    expect(await worker.nextTurn()).toMatchObject({ instanceId: 'run-1' });
    // The one that answers pings was kept all the while.
    expect(worker.ended).toBeUndefined();
  } finally {
    engine.stop();
    await server.close(0);
  }
});
