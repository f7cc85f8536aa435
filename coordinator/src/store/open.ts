import { eventSchema } from '@daca-mesh/protocol/events';
import { type Database, openSqliteDatabase, taskSchema } from '@daca-mesh/protocol/server';
import { cloudEventSchema } from '../events/event-tables.ts';
import { coordinatorMigrations } from './schema.ts';

/** Opens the coordinator's database: the tables of the task core and its own, in one file, for one commit. */
export const openCoordinatorDatabase = (options: { path: string; durability?: 'full' | 'normal' }): Database =>
  openSqliteDatabase({
    ...options,
    schemas: [taskSchema, { component: 'coordinator', versions: coordinatorMigrations }, eventSchema, cloudEventSchema],
  });
