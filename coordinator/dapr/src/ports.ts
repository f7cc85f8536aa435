import { once } from 'node:events';
import { createServer } from 'node:net';
import type { DaprPorts } from './processes.ts';

/** Ports that nothing listens on right now. Dapr's programs cannot choose their own: they are told of each other's. */
export async function freeDaprPorts(): Promise<DaprPorts> {
  const names = [
    'daprdGrpc',
    'daprdHttp',
    'daprdInternal',
    'placement',
    'placementRaft',
    'placementHealth',
    'scheduler',
    'schedulerEtcdClient',
    'schedulerEtcdPeer',
    'schedulerHealth',
  ] as const satisfies readonly (keyof DaprPorts)[];
  // All are held at once, so that no two are the same.
  const held = await Promise.all(names.map(async (name) => [name, await holdPort()] as const));
  await Promise.all(held.map(([, { release }]) => release()));
  // Every key is in `names`, which the compiler does not see through fromEntries.
  return Object.fromEntries(held.map(([name, { port }]) => [name, port])) as Record<keyof DaprPorts, number>;
}

async function holdPort(): Promise<{ port: number; release: () => Promise<void> }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return {
    port: address.port,
    release: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
