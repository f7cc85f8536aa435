import { once } from 'node:events';
import { createServer } from 'node:net';
import { MeshError } from '@daca-mesh/protocol';
import { isAgent, type ProcessSpec } from './process-spec.ts';

/** Throws RESOURCE_EXHAUSTED naming the first port of an agent that something else already listens on. */
export async function checkPortsFree(specs: readonly ProcessSpec[]): Promise<void> {
  await Promise.all(
    specs
      .filter(isAgent)
      .filter(({ readiness }) => readiness.port !== 0)
      .map(async ({ name, readiness: { host, port } }) => {
        try {
          await tryPort(port, host);
        } catch (cause) {
          throw new MeshError(
            'RESOURCE_EXHAUSTED',
            `port ${port}, meant for ${name}, cannot be used (${reasonOf(cause)}); ` +
              'choose others with --port N, or --port 0 for any free ones',
            { cause },
          );
        }
      }),
  );
}

/** Whether nothing listens on any of these ports of the loopback interface. */
export async function arePortsFree(ports: readonly number[]): Promise<boolean> {
  const tries = await Promise.allSettled(ports.map((port) => tryPort(port, '127.0.0.1')));
  return tries.every(({ status }) => status === 'fulfilled');
}

async function tryPort(port: number, host: string): Promise<void> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } finally {
    server.close();
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return code === 'EADDRINUSE' ? 'something else listens on it' : code;
}
