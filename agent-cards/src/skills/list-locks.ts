import { lock } from '../device.ts';

/** Lists locks, by id, a page at a time. */
export const listLocks = lock.list;
