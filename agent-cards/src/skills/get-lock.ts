import { lock } from '../device.ts';

/** Reads a lock. */
export const getLock = lock.get;
