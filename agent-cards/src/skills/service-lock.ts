import { lock } from '../device.ts';

/** Has a lock serviced: each kind of fault is resolved by one action. */
export const serviceLock = lock.service;
