import { thermostat } from '../device.ts';

/** Lists thermostats, by id, a page at a time. */
export const listThermostats = thermostat.list;
