import { thermostat } from '../device.ts';

/** Has a thermostat serviced: each kind of fault is resolved by one action. */
export const serviceThermostat = thermostat.service;
