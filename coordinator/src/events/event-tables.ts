import { type DatabaseSchema, sqliteQueryBuilder } from '@daca-mesh/protocol/server';
import type { Generated } from 'kysely';

/** The tables of events: what came and what became of it, what was published, and where webhooks stand. */
interface EventTables {
  cloud_events: CloudEventRow;
  event_deliveries: DeliveryRow;
  rule_runs: RuleRunRow;
}

export interface CloudEventRow {
  seq: Generated<number>;
  source: string;
  id: string;
  direction: 'in' | 'out';
  type: string;
  /** The event as JSON. */
  event: string;
  /** What became of it, as JSON, and its status; null for those that were published. */
  outcome: string | null;
  status: string | null;
  at: number;
}

/** An event on its way to a webhook. */
export interface DeliveryRow {
  delivery_id: string;
  event_seq: number;
  url: string;
  /** pending: to be sent at `next_at` · delivered · dead: given up, until somebody sends it again. */
  status: 'pending' | 'delivered' | 'dead';
  tries: number;
  next_at: number;
  error: string | null;
  created_at: number;
}

/** The newest run that a rule started for the same values. */
interface RuleRunRow {
  rule: string;
  /** The values as JSON; the id of the run itself where a rule starts one for every event. */
  subject: string;
  run_id: string;
  /** How many runs led to each other by events, this one included. */
  hops: number;
}

/** Builds queries over the tables of events. */
export const eventQuery = sqliteQueryBuilder<EventTables>();

export const cloudEventSchema: DatabaseSchema = {
  component: 'coordinator-events',
  versions: [
    `CREATE TABLE cloud_events (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, id TEXT NOT NULL, direction TEXT NOT NULL,
      type TEXT NOT NULL, event TEXT NOT NULL, outcome TEXT, status TEXT, at INTEGER NOT NULL) STRICT;
    CREATE UNIQUE INDEX cloud_events_by_id ON cloud_events (source, id);
    CREATE INDEX cloud_events_by_time ON cloud_events (at);

    CREATE TABLE event_deliveries (
      delivery_id TEXT PRIMARY KEY, event_seq INTEGER NOT NULL, url TEXT NOT NULL, status TEXT NOT NULL,
      tries INTEGER NOT NULL, next_at INTEGER NOT NULL, error TEXT, created_at INTEGER NOT NULL) STRICT;
    CREATE INDEX event_deliveries_due ON event_deliveries (url, next_at) WHERE status = 'pending';
    CREATE INDEX event_deliveries_by_event ON event_deliveries (event_seq);
    CREATE INDEX event_deliveries_by_status ON event_deliveries (status, created_at);

    CREATE TABLE rule_runs (
      rule TEXT NOT NULL, subject TEXT NOT NULL, run_id TEXT NOT NULL, hops INTEGER NOT NULL,
      PRIMARY KEY (rule, subject)) STRICT, WITHOUT ROWID;
    CREATE INDEX rule_runs_by_run ON rule_runs (run_id);`,
  ],
};
