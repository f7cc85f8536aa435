import { light } from '../device.ts';

/** Changes settings of a light; tells its state before, so that it can be set back. */
export const setLight = light.set;
