import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silent, TestMesh } from '../runs/testing/test-mesh.ts';
import { createDirectory, type Directory } from './directory.ts';

const nothing = async () => ({});

describe('the directory', () => {
  let mesh: TestMesh;
  let directory: Directory;
  beforeEach(async () => {
    mesh = await TestMesh.create({});
  });
  afterEach(async () => {
    await directory.close();
    await mesh[Symbol.asyncDispose]();
  });

  const open = async (origins: string[]) => {
    directory = createDirectory({ origins, logger: silent, refreshMs: 50 });
    await directory.start();
  };

  it('picks by skill and by name, in the configured order, healthy ones first', async () => {
    const one = await mesh.agent({ read: nothing, write: nothing }, { name: 'one' });
    const two = await mesh.agent({ write: nothing }, { name: 'two' });
    await open([one.url, two.url]);
    expect(directory.choose({ skill: 'write' })?.name).toBe('one');
    expect(directory.choose({ agent: 'two' })?.name).toBe('two');
    expect(directory.choose({ agent: 'two', skill: 'write' })?.name).toBe('two');
    expect(() => directory.choose({ agent: 'two', skill: 'read' })).toThrow(
      expect.objectContaining({ code: 'SKILL_NOT_FOUND' }),
    );
    expect(() => directory.choose({ skill: 'fly' })).toThrow(expect.objectContaining({ code: 'SKILL_NOT_FOUND' }));
    expect(() => directory.choose({ agent: 'three' })).toThrow(expect.objectContaining({ code: 'PEER_NOT_FOUND' }));
    await one.close();
    await vi.waitFor(() => expect(directory.list()[0]?.status).toBe('down'), 5_000);
    expect(directory.choose({ skill: 'write' })?.name).toBe('two');
    expect(directory.choose({ skill: 'read' })?.name).toBe('one');
  });

  it('does not deny a skill while an agent is still unknown', async () => {
    const known = await mesh.agent({ read: nothing }, { name: 'known' });
    const late = await mesh.agent({ write: nothing }, { name: 'late' });
    await late.close();
    await open([known.url, late.url]);
    expect(directory.choose({ skill: 'read' })?.name).toBe('known');
    expect(directory.choose({ skill: 'write' })).toBeUndefined();
    expect(directory.choose({ agent: 'late' })).toBeUndefined();
    expect(directory.list()).toMatchObject([{ name: 'known', status: 'up' }, { status: 'unknown' }]);
    const up = vi.fn<() => void>();
    directory.up.listen(up);
    await mesh.agent({ write: nothing }, { name: 'late', port: Number(new URL(late.url).port) });
    await vi.waitFor(() => expect(directory.choose({ skill: 'write' })?.name).toBe('late'), 5_000);
    expect(up).toHaveBeenCalledOnce();
  });

  it('notices a card that changed, and an agent that is back', async () => {
    const first = await mesh.agent({ read: nothing }, { name: 'agent' });
    await open([first.url]);
    await first.close();
    directory.reportDown(first.url);
    expect(directory.list()[0]?.status).toBe('down');
    await mesh.agent({ read: nothing, write: nothing }, { name: 'agent', port: Number(new URL(first.url).port) });
    await vi.waitFor(() => expect(directory.list()[0]?.skills.map(({ id }) => id)).toEqual(['read', 'write']), 5_000);
    expect(directory.list()[0]?.status).toBe('up');
  });
});
