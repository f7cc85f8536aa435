import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { ProcessInfo } from '../mesh-state.ts';
import type { MeshLocation } from '../mesh-location.ts';
import { requestJson } from '../request-json.ts';

const Processes = z.object({ processes: z.array(ProcessInfo) });

/** The processes of a running mesh, through its control server. */
export interface ControlClient {
  processes(): Promise<ProcessInfo[]>;
  kill(name: string, options: { down: boolean }): Promise<ProcessInfo>;
  /** With variables beside its own, until it is restarted again. */
  restart(name: string, env?: Readonly<Record<string, string>>): Promise<ProcessInfo>;
}

/** Reaches the `mesh up` behind a data folder. Throws a usage error for a mesh known only by its URL. */
export function connectControl(location: MeshLocation): ControlClient {
  if (location.local === undefined) {
    throw new InvalidArgumentError('processes can be seen and ended on their own machine only: give --data');
  }
  const { control, pid } = location.local.state;
  const call = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> =>
    requestJson(schema, `${control.url}${path}`, {
      method,
      body,
      token: control.token,
      // A restart waits for the orderly end of the process, which may take 10 s, and 30 s for it to be ready again.
      timeoutMs: 45_000,
      unreachable: `the mesh of ${location.local?.dataFolder} does not answer; "mesh up" (pid ${pid}) is gone`,
    });
  return {
    processes: async () => (await call('GET', '/processes', Processes)).processes,
    kill: (name, { down }) => call('POST', `/processes/${encodeURIComponent(name)}/kill?down=${down}`, ProcessInfo),
    restart: (name, env = {}) => call('POST', `/processes/${encodeURIComponent(name)}/restart`, ProcessInfo, { env }),
  };
}
