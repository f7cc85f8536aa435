import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Principals, tokenDigest } from '@daca-mesh/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMesh } from './mesh-command.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-principals-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const mesh = (args: string[], env: Record<string, string> = {}) =>
  runMesh(['principal', ...args], { cwd: folder, env });
const up = (env: Record<string, string>) => runMesh(['up', '--port', '0'], { cwd: folder, env });
const stored = async (file: string) => Principals.parse(JSON.parse(await readFile(join(folder, file), 'utf8')));

describe('mesh principal', () => {
  it('gives tokens, which are shown once and stored as hashes, and takes them away', async () => {
    const { exitCode, stdout, stderr } = await mesh(['add', 'ann', '--role', 'manager', '--role', 'buyer']);
    expect(exitCode).toBe(0);
    const token = stdout.trim();
    expect(token).toMatch(/^mesh_[\w-]{43}$/);
    const file = '.mesh/principals.json';
    expect(stderr).toContain(`MESH_PRINCIPALS=${join(folder, file)}`);
    const ann = { name: 'ann', tokenSha256: tokenDigest(token), roles: ['manager', 'buyer'] };
    expect(await stored(file)).toEqual([ann]);
    expect((await readFile(join(folder, file), 'utf8')).includes(token)).toBe(false);
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);

    const second = await mesh(['add', 'bob', '--json'], { MESH_PRINCIPALS: file });
    expect(JSON.parse(second.stdout)).toMatchObject({ name: 'bob', roles: [], token: expect.any(String) });
    expect((await stored(file)).map(({ name }) => name)).toEqual(['ann', 'bob']);
    expect(await mesh(['add', 'ann'])).toMatchObject({ exitCode: 4, stdout: '' });
    expect((await mesh(['remove', 'bob'])).exitCode).toBe(0);
    expect(await stored(file)).toEqual([ann]);
    expect((await mesh(['remove', 'bob'])).exitCode).toBe(4);
  });

  it('loses nobody who is added while others are', async () => {
    const file = join(folder, 'team/principals.json');
    const module = new URL('../src/principals-file.ts', import.meta.url);
    const addMany = (name: string) => `
      import { changePrincipals } from ${JSON.stringify(module)};
      import { tokenDigest } from '@daca-mesh/protocol';
      for (let n = 0; n < 40; n++) {
        const one = { name: '${name}' + n, tokenSha256: tokenDigest('${name}' + n), roles: [] };
        changePrincipals(${JSON.stringify(file)}, (principals) => [...principals, one]);
      }`;
    const cwd = new URL('..', import.meta.url);
    await Promise.all(
      ['ann', 'bob', 'eve'].map((name) =>
        promisify(execFile)(process.execPath, ['--input-type=module', '-e', addMany(name)], { cwd }),
      ),
    );
    expect(await stored('team/principals.json')).toHaveLength(120);
  });

  it.each([
    ['a name that is none', 'none.json', undefined, ['add', 'a b']],
    ['a name of the mesh itself', 'none.json', undefined, ['add', 'local']],
    ['a role that is none', 'none.json', undefined, ['add', 'ann', '--role', '']],
    ['a file that is no JSON', 'broken.json', 'mesh_token', ['add', 'ann']],
    ['a file of another kind', 'other.json', '{"name":"ann"}', ['add', 'ann']],
  ])('refuses %s and leaves the file as it is', async (_what, file, content, args) => {
    if (content !== undefined) await writeFile(join(folder, file), content);
    const { exitCode, stderr } = await mesh([...args, '--file', file]);
    expect(exitCode).toBe(2);
    expect(stderr).not.toContain('mesh_token');
    const now = await readFile(join(folder, file), 'utf8').catch(() => undefined);
    expect(now).toBe(content);
  });
});

describe('mesh up', () => {
  it('refuses principals without the token of the mesh, and a file that is wrong, before it starts anything', async () => {
    await writeFile(join(folder, 'wrong.json'), JSON.stringify([{ name: 'ann', roles: [] }]));
    const [bare, wrong, missing] = await Promise.all([
      up({ MESH_PRINCIPALS: 'wrong.json' }),
      up({ MESH_PRINCIPALS: 'wrong.json', MESH_TOKEN: 't' }),
      up({ MESH_PRINCIPALS: 'missing.json', MESH_TOKEN: 't' }),
    ]);
    expect(bare).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('MESH_PRINCIPALS needs MESH_TOKEN') });
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('0.tokenSha256') });
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot be read') });
    await writeFile(
      join(folder, 'same.json'),
      JSON.stringify([{ name: 'ann', tokenSha256: tokenDigest('t'), roles: [] }]),
    );
    const same = await up({ MESH_PRINCIPALS: 'same.json', MESH_TOKEN: 't' });
    expect(same).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('MESH_TOKEN is the token of ann') });
  });
});
