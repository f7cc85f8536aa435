import { light } from '../device.ts';

/** Reads a light. */
export const getLight = light.get;
