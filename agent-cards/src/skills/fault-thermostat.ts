import { thermostat } from '../device.ts';

/** Injects a fault into a thermostat, or clears all of them; meant for trials and tests. */
export const faultThermostat = thermostat.fault;
