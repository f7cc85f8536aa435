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

/** The same specs, with ports for chosen agents that would choose their own: others are told of them before they listen. */
export async function choosePorts(
  specs: readonly ProcessSpec[],
  isChosen: (spec: ProcessSpec) => boolean,
): Promise<readonly ProcessSpec[]> {
  const choose = async (spec: ProcessSpec): Promise<ProcessSpec> => {
    if (!isChosen(spec) || !isAgent(spec) || spec.readiness.port !== 0) return spec;
    return { ...spec, readiness: { ...spec.readiness, port: await anyPort(spec.readiness.host) } };
  };
  return Promise.all(specs.map(choose));
}

/** Below the ports that systems give out by themselves, so that nobody is given it before its owner listens. */
async function anyPort(host: string): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (
      await tryPort(port, host).then(
        () => true,
        () => false,
      )
    )
      return port;
  }
  throw new MeshError('RESOURCE_EXHAUSTED', `no port is free on ${host}`);
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
