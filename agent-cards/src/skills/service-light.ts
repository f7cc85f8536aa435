import { light } from '../device.ts';

/** Has a light serviced: each kind of fault is resolved by one action. */
export const serviceLight = light.service;
