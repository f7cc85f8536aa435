import { light } from '../device.ts';

/** Lists lights, by id, a page at a time. */
export const listLights = light.list;
