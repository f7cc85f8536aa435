import type { CompiledQuery } from 'kysely';
import type { MeshError } from '../../mesh-error.ts';

/**
 * A unit of work: a generator that yields the statements it wants executed and gets their rows back. Whoever drives it
 * decides whether that happens synchronously (SQLite) or not (Postgres), so one text serves both. When a unit throws,
 * nothing of it stays. It must not do I/O of its own, nor note anything outside but by `afterCommit`: where another one of
 * its batch throws, it is run again.
 */
export type Unit<T> = Generator<Step, T, StepResult>;

/** What a unit may ask of its driver. */
export type Step =
  | { readonly kind: 'query'; readonly query: CompiledQuery }
  | { readonly kind: 'after-commit'; readonly run: () => void };

/** The answer to a step; empty for `after-commit`. */
export interface StepResult {
  readonly rows: readonly unknown[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** A database that executes units, many of them in one commit. */
export interface Database extends AsyncDisposable {
  /**
   * Runs a unit and commits it. Resolves once that is durable; rejects with what the unit threw, or with
   * `STORE_FAILED` when the commit failed: the database then refuses everything until it is opened again.
   */
  write<T>(unit: () => Unit<T>): Promise<T>;
  /** Runs a unit that only reads; sees committed data only, and answers once that is durable. */
  read<T>(unit: () => Unit<T>): Promise<T>;
  /** Resolves when a commit failed: the process must then stop, and recover from what is on disk. */
  readonly failed: Promise<MeshError>;
  /** Commits what is queued and closes. */
  close(): Promise<void>;
}

/** All rows of a query. */
export function* all<R>(query: CompiledQuery<R>): Unit<readonly R[]> {
  const { rows } = yield { kind: 'query', query };
  // The driver returns the rows of exactly this query; Kysely's type describes them.
  return rows as readonly R[];
}

/** The first row of a query, or undefined. */
export function* first<R>(query: CompiledQuery<R>): Unit<R | undefined> {
  const rows = yield* all(query);
  return rows[0];
}

/** Executes a statement and returns the number of rows it changed. */
export function* run(query: CompiledQuery): Unit<number> {
  const { changes } = yield { kind: 'query', query };
  return changes;
}

/** Registers a callback that runs once the commit that carries this unit is durable, and never if it is not. */
export function* afterCommit(callback: () => void): Unit<void> {
  yield { kind: 'after-commit', run: callback };
}
