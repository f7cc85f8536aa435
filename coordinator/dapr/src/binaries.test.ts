import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder, daprVersion, findDapr } from './binaries.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'dapr-binaries-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function install(folder: string, names = ['daprd', 'scheduler', 'placement']): void {
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), 0o755);
  }
}

describe('Dapr on this machine', () => {
  it('is not found where there is none', () => {
    expect(findDapr({ HOME: home })).toBeUndefined();
  });

  it('is found in the cache, by version', () => {
    install(cacheFolder({ HOME: home }));
    expect(findDapr({ HOME: home })).toEqual({
      daprd: join(home, '.cache', 'daca-mesh', `dapr-${daprVersion}`, 'daprd'),
      scheduler: expect.stringContaining('/scheduler'),
      placement: expect.stringContaining('/placement'),
      builtHere: true,
    });
  });

  it('is looked for in the cache folder of the user', () => {
    const environment = { HOME: home, XDG_CACHE_HOME: join(home, 'elsewhere') };
    install(cacheFolder(environment));
    expect(findDapr(environment)?.daprd).toContain('/elsewhere/daca-mesh/');
    expect(findDapr({ HOME: home })).toBeUndefined();
  });

  it('is found on the PATH, over several folders of it', () => {
    install(join(home, 'one'), ['daprd']);
    install(join(home, 'two'), ['scheduler', 'placement']);
    const found = findDapr({ HOME: home, PATH: `:${join(home, 'one')}:${join(home, 'two')}` });
    expect(found).toMatchObject({ daprd: join(home, 'one', 'daprd'), builtHere: false });
  });

  it('is found where the command line of Dapr puts it', () => {
    install(join(home, '.dapr', 'bin'));
    expect(findDapr({ HOME: home })).toMatchObject({ builtHere: false });
  });

  it('is taken from the cache rather than from the PATH', () => {
    install(cacheFolder({ HOME: home }));
    install(join(home, 'path'));
    expect(findDapr({ HOME: home, PATH: join(home, 'path') })?.builtHere).toBe(true);
  });

  it('counts only with all three programs, each executable', () => {
    install(cacheFolder({ HOME: home }), ['daprd', 'scheduler']);
    expect(findDapr({ HOME: home })).toBeUndefined();
    install(cacheFolder({ HOME: home }));
    chmodSync(join(cacheFolder({ HOME: home }), 'placement'), 0o644);
    expect(findDapr({ HOME: home })).toBeUndefined();
  });
});
