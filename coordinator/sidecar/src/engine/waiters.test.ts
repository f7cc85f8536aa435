import { describe, expect, it } from 'vitest';
import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { Waiters } from './waiters.ts';

const isOver = (status: WorkflowStatus): boolean => status === WorkflowStatus.COMPLETED;

describe('Waiters', () => {
  it('wakes those whose status has come, and only those', async () => {
    const waiters = new Waiters();
    const { signal } = new AbortController();
    const first = waiters.wait('a', isOver, signal);
    const second = waiters.wait('b', isOver, signal);
    waiters.notify('a', WorkflowStatus.RUNNING);
    expect(waiters.size).toBe(2);
    waiters.notify('a', WorkflowStatus.COMPLETED);
    await first;
    expect(waiters.size).toBe(1);
    waiters.close(new Error('over'));
    await expect(second).rejects.toThrow('over');
    await expect(waiters.wait('b', isOver, signal)).rejects.toThrow('over');
  });

  it('forgets those who gave up', async () => {
    const waiters = new Waiters();
    const abort = new AbortController();
    const given = Array.from({ length: 500 }, () => waiters.wait('a', isOver, abort.signal));
    const kept = Array.from({ length: 500 }, () => waiters.wait('a', isOver, new AbortController().signal));
    abort.abort();
    await Promise.all(given);
    expect(waiters.size).toBe(500);
    waiters.notify('a', WorkflowStatus.COMPLETED);
    await Promise.all(kept);
    expect(waiters.size).toBe(0);
  });

  it('does not begin to wait for those who gave up before', async () => {
    const waiters = new Waiters();
    await waiters.wait('a', isOver, AbortSignal.abort());
    expect(waiters.size).toBe(0);
  });
});
