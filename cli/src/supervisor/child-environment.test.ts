import { expect, it } from 'vitest';
import { toChildEnvironment } from './child-environment.ts';
import type { ProcessSpec } from './process-spec.ts';

it("keeps the settings and secrets of agents from Dapr's programs", () => {
  const daprd: ProcessSpec = {
    name: 'daprd',
    command: 'daprd',
    args: [],
    folder: '/',
    dataFolder: '/',
    logPath: '/daprd.log',
    env: {},
    readiness: { kind: 'probed', healthUrl: 'http://127.0.0.1:3500' },
  };
  const secrets = { MESH_TOKEN: 't', OPENAI_API_KEY: 'k', NATS_URL: 'nats://user:password@host' };
  expect(toChildEnvironment(daprd, { PATH: '/bin', ...secrets }, undefined, undefined)).toEqual({ PATH: '/bin' });
});
