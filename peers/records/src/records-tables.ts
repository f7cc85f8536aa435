import { type DatabaseSchema, sqliteQueryBuilder } from '@daca-mesh/protocol/server';
import type { Generated } from 'kysely';

/** The tables of this agent. Times are milliseconds since the epoch. */
interface RecordsTables {
  posts: {
    post_id: string;
    text: string;
    author: string | null;
    status: string;
    reason: string | null;
    by: string | null;
    created_at: number;
    updated_at: number;
  };
  /** Every change of a status or a text, in order. */
  post_changes: {
    change_id: Generated<number>;
    post_id: string;
    previous: string;
    status: string;
    write_key: string;
    at: number;
  };
  /** What ended runs. */
  run_errors: {
    error_id: Generated<number>;
    run_id: string;
    workflow: string;
    code: string;
    message: string;
    write_key: string;
    at: number;
  };
  audit: { audit_id: Generated<number>; post_id: string; entry: string; write_key: string; at: number };
}

/** Builds queries over the tables of this agent. */
export const query = sqliteQueryBuilder<RecordsTables>();

/** The schema of this agent, kept in the file of its task store. */
export const recordsSchema: DatabaseSchema = {
  component: 'records',
  versions: [
    `
    CREATE TABLE posts (
      post_id TEXT PRIMARY KEY, text TEXT NOT NULL, author TEXT, status TEXT NOT NULL, reason TEXT, by TEXT,
      created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
    CREATE TABLE post_changes (
      change_id INTEGER PRIMARY KEY AUTOINCREMENT, post_id TEXT NOT NULL REFERENCES posts (post_id),
      previous TEXT NOT NULL, status TEXT NOT NULL, write_key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL) STRICT;
    CREATE INDEX post_changes_by_post ON post_changes (post_id);
    CREATE TABLE audit (
      audit_id INTEGER PRIMARY KEY AUTOINCREMENT, post_id TEXT NOT NULL, entry TEXT NOT NULL,
      write_key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL) STRICT;
    CREATE INDEX audit_by_post ON audit (post_id);
    `,
    `
    CREATE TABLE run_errors (
      error_id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, workflow TEXT NOT NULL, code TEXT NOT NULL,
      message TEXT NOT NULL, write_key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL) STRICT;
    CREATE INDEX run_errors_by_run ON run_errors (run_id);
    `,
  ],
};
