import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMesh } from './mesh-command.ts';

describe('mesh env', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-env-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('writes a new token for its owner only, does not print it, and overwrites nothing', async () => {
    const { exitCode, stdout } = await runMesh(['env'], { cwd: folder });
    const file = join(folder, '.env');
    const text = await readFile(file, 'utf8');
    const token = /^MESH_TOKEN=([\w-]{43})$/m.exec(text)?.[1] ?? '';
    expect({ exitCode, token }).toMatchObject({ exitCode: 0, token: expect.stringMatching(/./) });
    expect(stdout).not.toContain(token);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    expect(await runMesh(['env', '--json'], { cwd: folder })).toMatchObject({ exitCode: 4 });
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await runMesh(['env', '--file', 'missing/.env'], { cwd: folder })).toMatchObject({ exitCode: 4 });
    const other = await runMesh(['env', '--file', 'other.env', '--json'], { cwd: folder });
    expect(JSON.parse(other.stdout)).toEqual({ file: 'other.env', variables: ['MESH_TOKEN'] });
    expect(await readFile(join(folder, 'other.env'), 'utf8')).not.toContain(token);
  });
});
