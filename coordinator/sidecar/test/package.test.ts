import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sendRaw } from './http-client.ts';
import { startStandalone } from './standalone-process.ts';
import { temporaryFolder } from './world.ts';

// What is published, used as by somebody who has nothing but it: packed, installed with npm into an empty folder, run.

const root = fileURLToPath(new URL('..', import.meta.url));
const workspace = join(root, '../..');
const project = temporaryFolder();
const installed = join(project.path, 'node_modules/@daca-mesh/sidecar');
// npm and npx run on the Node that runs the tests, whatever the system has.
const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);

// Those of the npm that runs the tests are about this workspace.
const inherited = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_'));
const env = { ...Object.fromEntries(inherited), PATH };

const run = async (command: string, args: string[], cwd: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, timeout: 120_000 });
  return stdout;
};

beforeAll(async () => {
  await run('npx', ['--yes', 'pnpm@12.21.0', 'pack', '--pack-destination', project.path], root);
  const tarball = readdirSync(project.path).find((name) => name.endsWith('.tgz'));
  writeFileSync(join(project.path, 'package.json'), '{ "private": true, "type": "module" }');
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`];
  await run('npm', install, project.path);
}, 180_000);

afterAll(() => project[Symbol.dispose]());

it('has no TypeScript that would have to run, and nothing of the workspace', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/index.js']));
  expect(files.filter((file) => /(?<!\.d)\.ts$|\.test\.|^(src|test|bench|proto)/u.test(file))).toEqual([]);
  const manifest = readFileSync(join(installed, 'package.json'), 'utf8');
  expect(JSON.parse(manifest)).not.toHaveProperty('private');
  expect(JSON.parse(manifest)).toMatchObject({
    license: 'Apache-2.0',
    exports: { '.': { default: './dist/index.js' } },
    bin: { 'daca-sidecar': './dist/main.js' },
  });
  expect(manifest).not.toMatch(/workspace:|\/src\//u);
});

it('is a library in three lines', async () => {
  const program = join(project.path, 'program.js');
  writeFileSync(
    program,
    `import { startSidecar } from '@daca-mesh/sidecar';
     await using sidecar = await startSidecar({ path: 'data/engine.db', httpPort: 0 });
     const answer = await fetch(\`http://127.0.0.1:\${sidecar.httpPort}/v1.0/workflows/dapr/any/start?instanceID=one\`, { method: 'POST' });
     process.stdout.write(JSON.stringify([answer.status, await answer.json()]));`,
  );
  expect(await run(process.execPath, [program], project.path)).toBe('[202,{"instanceID":"one"}]');
});

it('has types that check', async () => {
  writeFileSync(
    join(project.path, 'typed.ts'),
    `import { startSidecar, type Sidecar, type SidecarError } from '@daca-mesh/sidecar';
     const sidecar: Sidecar = await startSidecar({ path: 'engine.db', retention: { completed: 1000 }, httpPort: 0 });
     export const port: number | undefined = sidecar.httpPort;
     export const codeOf = (error: SidecarError): string => error.code;
     // @ts-expect-error -- path is needed
     await startSidecar({});`,
  );
  const compiler = join(workspace, 'node_modules/typescript/bin/tsc');
  const types = ['--types', 'node', '--typeRoots', join(workspace, 'node_modules/@types')];
  const settings = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext'];
  const output = await run(process.execPath, [compiler, ...settings, ...types, 'typed.ts'], project.path);
  expect(output).toBe('');
});

it('is a program', async () => {
  const command = join(project.path, 'node_modules/.bin/daca-sidecar');
  await using program = startStandalone([], ['--json', '--data', join(project.path, 'own')], {
    execPath: command,
    env: { PATH },
  });
  const { httpPort } = await program.listening;
  expect((await sendRaw(httpPort, 'GET', '/v1.0/healthz')).status).toBe(204);
  program.child.kill('SIGTERM');
  expect(await program.finished).toMatchObject({ exitCode: 0, stderr: '' });
});
