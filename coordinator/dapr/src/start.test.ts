import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findDapr, howToGetDapr } from './binaries.ts';
import { freeDaprPorts } from './ports.ts';
import { type RunningDapr, startDapr } from './start.ts';

const found = findDapr(process.env);
const isWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);
if (isWanted && found === undefined) throw new Error(howToGetDapr);

const newFolder = () => mkdtempSync(join(tmpdir(), 'dapr-start-'));
const isUp = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
};

describe('starting Dapr', () => {
  let folder: string;
  beforeEach(() => {
    folder = newFolder();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('fails with the end of the log of the program that did not start', async () => {
    const broken = join(folder, 'broken');
    writeFileSync(broken, '#!/bin/sh\necho "the reason is this"\nexit 1\n');
    chmodSync(broken, 0o755);
    const binaries = { daprd: broken, scheduler: broken, placement: broken, builtHere: false };
    await expect(startDapr({ binaries, folder, environment: process.env })).rejects.toThrow(
      /(placement|scheduler) did not start; its log ends with:\nthe reason is this/,
    );
  });
});

describe.skipIf(!isWanted)(`Dapr as it runs${isWanted ? '' : ' (skipped: set MESH_TEST_DAPR=1 to run it)'}`, () => {
  let folder: string;
  let dapr: RunningDapr;
  beforeAll(async () => {
    if (found === undefined) throw new Error(howToGetDapr);
    folder = newFolder();
    dapr = await startDapr({ binaries: found, folder, environment: process.env });
  }, 60_000);
  afterAll(async () => {
    await dapr.close();
    rmSync(folder, { recursive: true });
  }, 60_000);

  const healthOf = (name: 'daprd' | 'scheduler' | 'placement'): string => {
    if (name === 'daprd') return `${dapr.httpUrl}/v1.0/healthz`;
    const port = name === 'scheduler' ? dapr.ports.schedulerHealth : dapr.ports.placementHealth;
    return `http://127.0.0.1:${port}/healthz`;
  };

  it('refuses to start a program that runs', async () => {
    await expect(dapr.daprd.start()).rejects.toThrow('daprd runs already');
  });

  it('stops daprd in an orderly way', async () => {
    await dapr.daprd.stop();
    expect(await isUp(healthOf('daprd'))).toBe(false);
    expect(readFileSync(dapr.daprd.logPath, 'utf8')).toContain('"app_id":"coordinator"');
    await dapr.daprd.start();
  });

  it('can run twice at once', async () => {
    if (found === undefined) throw new Error(howToGetDapr);
    const other = newFolder();
    {
      await using second = await startDapr({ binaries: found, folder: other, environment: process.env });
      expect(await isUp(`${second.httpUrl}/v1.0/healthz`)).toBe(true);
    }
    rmSync(other, { recursive: true });
  });

  it('says so if a port is taken', async () => {
    if (found === undefined) throw new Error(howToGetDapr);
    const other = newFolder();
    const ports = { ...(await freeDaprPorts()), placement: dapr.ports.placement };
    const options = { binaries: found, folder: other, ports, environment: process.env };
    await expect(startDapr(options)).rejects.toThrow('placement did not start');
    rmSync(other, { recursive: true });
  });

  // The scheduler last: for 25 s after its kill nothing of Dapr starts quickly.
  it.each(['daprd', 'placement', 'scheduler'] as const)(
    'starts %s again after a kill, on the same port',
    async (name) => {
      expect(await isUp(healthOf(name))).toBe(true);
      await dapr[name].kill();
      expect(await isUp(healthOf(name))).toBe(false);
      await dapr[name].start();
      expect(await isUp(healthOf(name))).toBe(true);
    },
  );
});
