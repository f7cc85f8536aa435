import { thermostat } from '../device.ts';

/** Reads a thermostat. */
export const getThermostat = thermostat.get;
