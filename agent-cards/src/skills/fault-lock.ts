import { lock } from '../device.ts';

/** Injects a fault into a lock, or clears all of them; meant for trials and tests. */
export const faultLock = lock.fault;
