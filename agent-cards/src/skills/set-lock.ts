import { lock } from '../device.ts';

/** Changes settings of a lock; tells its state before, so that it can be set back. */
export const setLock = lock.set;
