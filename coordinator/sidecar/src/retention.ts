import type { Engine } from './engine/engine.ts';
import type { RetentionPolicy } from './engine/retention.ts';
import type { Logger } from './logger.ts';

const LONGEST_PAUSE_MS = 60_000;
const SHORTEST_PAUSE_MS = 1000;

/**
 * Deletes, now and then, the instances whose time after their end is over. An instance may live on for as long as the pause
 * between two looks: a minute, or less if something is to be kept for less than that.
 */
export function startRetention(engine: Engine, policy: RetentionPolicy, logger: Logger): Disposable {
  const times = Object.values(policy).filter((time) => time !== undefined);
  if (times.length === 0) return { [Symbol.dispose]: () => {} };
  const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, Math.min(...times)));
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const purge = async (): Promise<void> => {
    try {
      const purged = await engine.purgeExpired(policy, engine.now());
      if (purged > 0) logger.debug({ purged }, 'instances deleted by retention');
    } catch (error) {
      if (!stopped) logger.error({ err: error }, 'retention failed; it is tried again');
    }
    // Whoever runs the sidecar decides how long the process lives.
    if (!stopped) timer = setTimeout(() => void purge(), pauseMs).unref();
  };
  void purge();
  return {
    [Symbol.dispose]: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
