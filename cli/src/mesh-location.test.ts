import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { locateMesh } from './mesh-location.ts';
import { type MeshState, writeMeshState } from './mesh-state.ts';
import { answerCommand } from './question-text.ts';

const config = readConfig({});
const process = { name: 'writer', pid: 2, url: 'http://127.0.0.1:4102', status: 'ready' as const, restarts: 0 };
const state = (url: string | null): MeshState => ({
  pid: 1,
  startedAt: '2026-01-01T00:00:00Z',
  url,
  control: { url: 'http://127.0.0.1:5', token: 't' },
  processes: [process],
});

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-location-'));
  await mkdir(join(folder, '.mesh'));
  await mkdir(join(folder, 'a/b'), { recursive: true });
  writeMeshState(join(folder, '.mesh'), state('http://127.0.0.1:4100'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('locateMesh', () => {
  it('finds the nearest data folder upwards', () => {
    const location = locateMesh({}, config, join(folder, 'a/b'));
    expect(location).toMatchObject({ url: 'http://127.0.0.1:4100', origins: [process.url] });
    expect(location.local?.dataFolder).toBe(join(folder, '.mesh'));
  });

  it('prefers --url to --data to MESH_URL to the nearest folder', async () => {
    await mkdir(join(folder, 'other'));
    writeMeshState(join(folder, 'other'), state('http://127.0.0.1:4200'));
    const withUrl = { ...config, url: 'http://127.0.0.1:4300' };
    const both = { url: 'http://127.0.0.1:4400/x', data: 'other' };
    expect(locateMesh(both, withUrl, folder).url).toBe('http://127.0.0.1:4400');
    expect(locateMesh({ data: 'other' }, withUrl, folder).url).toBe('http://127.0.0.1:4200');
    expect(locateMesh({}, withUrl, folder).url).toBe('http://127.0.0.1:4300');
  });

  it('says so when there is no mesh', () => {
    expect(() => locateMesh({}, config, tmpdir())).toThrow('no running mesh found');
    expect(() => locateMesh({ data: 'a' }, config, folder)).toThrow(`no mesh runs on ${join(folder, 'a')}`);
  });
});

describe('answerCommand', () => {
  const question = { id: 'q1', runId: 'r1', prompt: '?', path: [], status: 'open' };

  it('names the data folder only where it would not be found', () => {
    const approve = { ...question, actions: ['approve' as const] };
    expect(answerCommand(approve, '.mesh')).toBe('npx mesh answer q1 --approve');
    expect(answerCommand(approve, '/tmp/x')).toBe('npx mesh answer q1 --approve --data /tmp/x');
    expect(answerCommand(approve, "/tmp/it's")).toBe(String.raw`npx mesh answer q1 --approve --data '/tmp/it'\''s'`);
  });
});
