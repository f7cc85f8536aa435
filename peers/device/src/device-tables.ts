import type { DeviceHealth, FaultType } from '@daca-mesh/agent-cards';
import { type DatabaseSchema, sqliteQueryBuilder } from '@daca-mesh/protocol/server';
import type { Generated } from 'kysely';

/** The tables of this agent. Times are milliseconds since the epoch. */
interface DeviceTables {
  devices: DeviceRow;
  device_faults: FaultRow;
  /** Every command that was applied, in order. */
  device_commands: {
    command_id: Generated<number>;
    device_id: string;
    skill: string;
    command: string;
    effect_key: string;
    /** When the device began with it, and when it was done. */
    started_at: number;
    ended_at: number;
  };
  /** The newest changes that nobody commanded. */
  device_changes: { change_id: Generated<number>; device_id: string; state: string; at: number };
}

export interface DeviceRow {
  device_id: string;
  name: string;
  room: string | null;
  /** JSON, as it was at `state_at`. */
  state: string;
  state_at: number;
  /** Follows from the faults; a column so that lists can ask for it. */
  health: DeviceHealth;
}

export interface FaultRow {
  device_id: string;
  type: FaultType;
  since: number;
  delay_ms: number | null;
  /** The fault clears itself after refusing so many more commands. */
  commands_left: number | null;
}

/** Builds queries over the tables of this agent. */
export const query = sqliteQueryBuilder<DeviceTables>();

/** The schema of this agent, kept in the file of its task store. */
export const deviceSchema: DatabaseSchema = {
  component: 'device',
  versions: [
    `
    CREATE TABLE devices (
      device_id TEXT PRIMARY KEY, name TEXT NOT NULL, room TEXT, state TEXT NOT NULL, state_at INTEGER NOT NULL,
      health TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE device_faults (
      device_id TEXT NOT NULL REFERENCES devices (device_id), type TEXT NOT NULL, since INTEGER NOT NULL,
      delay_ms INTEGER, commands_left INTEGER, PRIMARY KEY (device_id, type)) STRICT, WITHOUT ROWID;
    CREATE TABLE device_commands (
      command_id INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL REFERENCES devices (device_id),
      skill TEXT NOT NULL, command TEXT NOT NULL, effect_key TEXT NOT NULL UNIQUE,
      started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL) STRICT;
    CREATE INDEX device_commands_by_device ON device_commands (device_id);
    CREATE TABLE device_changes (
      change_id INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL REFERENCES devices (device_id),
      state TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
    `,
  ],
};
