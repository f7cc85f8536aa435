import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The first of so many ports in a row that nothing listens on. They are below those the system gives out by itself, so
 * that nobody else is given one before its owner listens, or while its owner is down.
 */
export async function freePorts(count = 1): Promise<number> {
  for (;;) {
    const first = randomInt(20_000, 32_000);
    const tries = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (tries.every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
