import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { MESH_SIDECAR, startStandalone } from './standalone-process.ts';
import { temporaryFolder } from './world.ts';

const program = fileURLToPath(new URL('fixtures/docs-program/program.mjs', import.meta.url));

const EXPECTED = [
  'chaining: "paid 12"',
  'compensating: "handled: true"',
  'fan-out: 385',
  'timer: true',
  'timed out: "timed out"',
  'counting: "generation 3"',
  'parent: {"total":5,"paid":"paid 15","id":"a-parent"}',
  'custom status: "waiting for approval"',
  'suspended: "SUSPENDED"',
  'approved: "approved by Ada"',
  'terminated: ["TERMINATED","not wanted"]',
  'purged: [true,"not there"]',
];

it("runs a program written from Dapr's documentation, which knows of it by DAPR_GRPC_PORT only", async () => {
  using folder = temporaryFolder();
  await using sidecar = startStandalone(MESH_SIDECAR, ['--json', '--data', folder.path]);
  const { port } = await sidecar.listening;
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: { PATH: process.env['PATH'], DAPR_GRPC_PORT: String(port) },
    timeout: 60_000,
  });
  // The SDK writes a log to the same place.
  const lines = stdout.split('\n').filter((line) => line !== '' && !/^\d{4}-\d\d-\d\dT/u.test(line));
  expect(lines.filter((line) => EXPECTED.includes(line))).toEqual(EXPECTED);
}, 90_000);
