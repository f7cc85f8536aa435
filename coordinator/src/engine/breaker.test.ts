import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it, vi } from 'vitest';
import { Breaker } from './breaker.ts';

const away = (): MeshError => new MeshError('UNAVAILABLE', 'no answer', { retryable: true });

function create() {
  const clock = { now: 0 };
  const recovered = vi.fn<() => void>();
  const breaker = new Breaker(recovered, () => clock.now);
  const request = vi.fn<() => Promise<string>>();
  const send = (): Promise<string> => breaker.run(request);
  const fail = async (): Promise<void> => {
    request.mockRejectedValueOnce(away());
    await expect(send()).rejects.toThrow('no answer');
  };
  return { clock, recovered, breaker, request, send, fail };
}

describe('a breaker', () => {
  it('refuses everything at once for a while after a failure, as something to try again', async () => {
    const { clock, request, send, fail } = create();
    await fail();
    clock.now = 249;
    for (let n = 0; n < 10; n++) await expect(send()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(request).toHaveBeenCalledTimes(1);
  });

  it('then lets one request through, which decides for all', async () => {
    const { clock, recovered, request, send, fail } = create();
    await fail();
    clock.now = 250;
    const probe = Promise.withResolvers<string>();
    request.mockReturnValueOnce(probe.promise);
    const probing = send();
    await expect(send()).rejects.toThrow('away');
    expect(request).toHaveBeenCalledTimes(2);
    expect(recovered).not.toHaveBeenCalled();
    probe.resolve('done');
    expect(await probing).toBe('done');
    expect(recovered).toHaveBeenCalledTimes(1);
    request.mockResolvedValue('done');
    expect(await Promise.all([send(), send()])).toEqual(['done', 'done']);
    expect(recovered).toHaveBeenCalledTimes(1);
  });

  it('waits longer after each probe that failed, up to 5 s', async () => {
    const { clock, request, send, fail } = create();
    for (const pauseMs of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      await fail();
      clock.now += pauseMs - 1;
      await expect(send()).rejects.toThrow('away');
      clock.now++;
    }
    expect(request).toHaveBeenCalledTimes(7);
  });

  it('counts requests that fail together as one failure', async () => {
    const { clock, request, send } = create();
    request.mockRejectedValue(away());
    await Promise.allSettled([send(), send(), send()]);
    expect(request).toHaveBeenCalledTimes(3);
    clock.now = 250;
    await send().catch(() => undefined);
    expect(request).toHaveBeenCalledTimes(4);
  });

  it('takes a refusal for an answer', async () => {
    const { clock, recovered, request, send, fail } = create();
    request.mockRejectedValueOnce(new MeshError('INTERNAL', 'stalled', { retryable: true }));
    await expect(send()).rejects.toThrow('stalled');
    request.mockResolvedValueOnce('done');
    expect(await send()).toBe('done');
    await fail();
    clock.now = 250;
    request.mockRejectedValueOnce(new MeshError('PAYLOAD_TOO_LARGE', 'too large'));
    await expect(send()).rejects.toThrow('too large');
    expect(recovered).toHaveBeenCalledTimes(1);
  });

  it('begins anew with another connection', async () => {
    const { breaker, recovered, request, send, fail } = create();
    await fail();
    const slow = Promise.withResolvers<string>();
    breaker.reset();
    request.mockReturnValueOnce(slow.promise);
    const old = send();
    breaker.reset();
    slow.reject(away());
    await expect(old).rejects.toThrow('no answer');
    // What was asked on the connection before says nothing about this one.
    request.mockResolvedValueOnce('done');
    expect(await send()).toBe('done');
    expect(recovered).not.toHaveBeenCalled();
  });
});
