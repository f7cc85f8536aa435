import { all, type Database, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { type DeadlineRow, query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';

/**
 * One scheduler for every time limit: it sleeps until the earliest row is due, and what happens then is one commit with
 * the row's removal. Rows are read again inside that commit, so a deadline that was moved or cleared meanwhile does not
 * fire, and one that was due while the process was down fires after the start.
 */

/** What happens when a deadline of a kind is reached. Joins the commit that removes the row. */
type DeadlineHandler = (deadline: DeadlineRow) => Unit<unknown>;

export interface DeadlineSchedulerOptions {
  database: Database;
  signals: Signals;
  handlers: Partial<Record<DeadlineRow['kind'], DeadlineHandler>>;
  logger: Logger;
}

export interface DeadlineScheduler {
  start(): void;
  close(): Promise<void>;
}

// Also the longest time a step of the clock goes unnoticed: timers do not count while a machine sleeps.
const maxDelayMs = 30_000;
const batch = 200;
const afterFailureMs = 1_000;

export function createDeadlineScheduler(options: DeadlineSchedulerOptions): DeadlineScheduler {
  const { database, signals, handlers, logger } = options;
  let timer: NodeJS.Timeout | undefined;
  /** When the earliest deadline known is due. */
  let nextAt = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let unlisten: (() => void) | undefined;

  const fire = async (deadline: DeadlineRow): Promise<void> => {
    try {
      await database.write(() => expireDeadline(deadline, handlers[deadline.kind]));
    } catch (err) {
      if (closed) return;
      logger.error({ err, kind: deadline.kind, ref: deadline.ref, runId: deadline.run_id }, 'deadline handler failed');
      await database.write(() => postpone(deadline));
    }
  };

  const pass = async (): Promise<void> => {
    for (;;) {
      const due = await database.read(() => dueDeadlines(Date.now()));
      await Promise.all(due.map(fire));
      if (due.length < batch) break;
    }
    nextAt = (await database.read(nextDeadline)) ?? Number.POSITIVE_INFINITY;
    if (nextAt === Number.POSITIVE_INFINITY || closed) return;
    clearTimeout(timer);
    timer = setTimeout(wake, Math.min(Math.max(nextAt - Date.now(), 0), maxDelayMs));
  };

  function wake(): void {
    if (closed) return;
    if (running) {
      again = true;
      return;
    }
    running = pass()
      .catch((err: unknown) => {
        if (closed) return;
        logger.error({ err }, 'deadlines could not be read');
        timer = setTimeout(wake, afterFailureMs);
      })
      .finally(() => {
        running = undefined;
        if (!again) return;
        again = false;
        wake();
      });
  }

  return {
    start: () => {
      unlisten = signals.deadlines.listen((dueAt) => {
        if (running || dueAt < nextAt) wake();
      });
      wake();
    },
    close: async () => {
      closed = true;
      unlisten?.();
      clearTimeout(timer);
      await running;
    },
  };
}

const selectDue = statement<{ now: number }, DeadlineRow>((value) =>
  query.selectFrom('deadlines').selectAll().where('due_at', '<=', value('now')).orderBy('due_at').limit(batch),
);
const selectNext = statement<object, { due_at: number }>(() =>
  query.selectFrom('deadlines').select('due_at').orderBy('due_at').limit(1),
);

function* dueDeadlines(now: number): Unit<readonly DeadlineRow[]> {
  return yield* all(selectDue({ now }));
}

function* nextDeadline(): Unit<number | undefined> {
  const row = yield* first(selectNext({}));
  return row?.due_at;
}

function* expireDeadline(deadline: DeadlineRow, handler: DeadlineHandler | undefined): Unit<void> {
  const removed = yield* run(
    query
      .deleteFrom('deadlines')
      .where('kind', '=', deadline.kind)
      .where('ref', '=', deadline.ref)
      .where('due_at', '<=', Date.now())
      .compile(),
  );
  if (removed > 0 && handler) yield* handler(deadline);
}

function* postpone(deadline: DeadlineRow): Unit<void> {
  yield* run(
    query
      .updateTable('deadlines')
      .set({ due_at: Date.now() + afterFailureMs })
      .where('kind', '=', deadline.kind)
      .where('ref', '=', deadline.ref)
      .compile(),
  );
}
