import { light } from '../device.ts';

/** Injects a fault into a light, or clears all of them; meant for trials and tests. */
export const faultLight = light.fault;
