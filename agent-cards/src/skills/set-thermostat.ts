import { thermostat } from '../device.ts';

/** Changes settings of a thermostat; tells its state before, so that it can be set back. */
export const setThermostat = thermostat.set;
