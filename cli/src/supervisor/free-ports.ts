import { once } from 'node:events';
import { createServer } from 'node:net';
import { MeshError } from '@daca-mesh/protocol';
import type { ProcessSpec } from './supervised-process.ts';

/** Throws RESOURCE_EXHAUSTED naming the first port that something else already listens on. */
export async function checkPortsFree(specs: readonly ProcessSpec[]): Promise<void> {
  await Promise.all(
    specs
      .filter((spec) => spec.port !== 0)
      .map(async (spec) => {
        const server = createServer();
        try {
          server.listen(spec.port, spec.host);
          await once(server, 'listening');
        } catch (cause) {
          throw new MeshError(
            'RESOURCE_EXHAUSTED',
            `port ${spec.port}, meant for ${spec.name}, cannot be used (${reasonOf(cause)}); ` +
              'choose others with --port N, or --port 0 for any free ones',
            { cause },
          );
        } finally {
          server.close();
        }
      }),
  );
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return code === 'EADDRINUSE' ? 'something else listens on it' : code;
}
