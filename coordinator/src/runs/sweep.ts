import { setTimeout as sleep } from 'node:timers/promises';
import { all, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { InstanceStatus, RunEngine } from '../outbox/run-engine.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { RunEnd } from '../workflow-kit/contract.ts';
import type { StoreDeps } from './unit-deps.ts';
import { finishRun } from './finish-run.ts';
import { requestCancel } from './cancel-run.ts';
import { isChild, isOver, loadRun, newToken, openDescendants, requestStart, startOver } from './run-rows.ts';
import { stallRun } from './stalled-runs.ts';

/**
 * Compares the open runs with the engine, at the start and from time to time. A run without an instance is started
 * again, with a fresh token; its steps find their outcomes in the rows. A run whose instance ended without saying how
 * is ended visibly.
 */

export interface SweepOptions extends StoreDeps {
  engine: RunEngine;
  logger: Logger;
  /** 30 s by default. */
  intervalMs?: number;
}

export interface Sweep {
  start(): void;
  /** Compares once, now. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

const pageSize = 200;
const concurrency = 16;
/** How soon an engine that was not there at the start is looked for again. */
const lookAgainMs = 250;

export function createSweep(options: SweepOptions): Sweep {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  const closing = new AbortController();

  const pass = async (): Promise<void> => {
    for (let after = ''; !closing.signal.aborted && options.engine.ready();) {
      const page = await options.database.read(() => openRuns(after));
      const queue = page.values();
      await Promise.all(
        Array.from({ length: concurrency }, async () => {
          for (const row of queue) if (!closing.signal.aborted) await compare(options, row);
        }),
      );
      const last = page.at(-1);
      if (!last || page.length < pageSize) return;
      after = last.run_id;
    }
  };
  const guarded = (): Promise<void> => {
    running ??= pass()
      .catch((err: unknown) => {
        if (!closing.signal.aborted) options.logger.warn({ err }, 'the runs could not be compared with the engine');
      })
      .finally(() => (running = undefined));
    return running;
  };
  const firstPass = async (): Promise<void> => {
    while (!options.engine.ready() && !closing.signal.aborted) {
      // Ends early when the coordinator stops.
      await sleep(lookAgainMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
    await guarded();
  };
  return {
    pass: guarded,
    start: () => {
      options.engine.onReconnect(() => void guarded());
      timer = setInterval(() => void guarded(), options.intervalMs ?? 30_000);
      void firstPass();
    },
    close: async () => {
      closing.abort();
      clearInterval(timer);
      await running;
    },
  };
}

async function compare(options: SweepOptions, row: RunRow): Promise<void> {
  const { engine, database, logger } = options;
  try {
    const status = await engine.status(row.run_id);
    const what = isChild(row) ? await verdictOnChild(options, row, status) : verdictOn(row, status);
    if (what === 'restart' && !(await makeRoom(options, row, status))) return;
    if (what === 'fine') return;
    logger.warn({ runId: row.run_id, instance: status, verdict: what }, 'a run does not agree with its instance');
    await database.write(() => settle(options, row, status, what));
  } catch (err) {
    logger.warn({ err, runId: row.run_id }, 'a run could not be compared with the engine');
  }
}

type Verdict = 'fine' | 'restart' | 'fail' | 'cancel' | 'orphan' | 'stalled';

function verdictOn(row: RunRow, status: InstanceStatus): Verdict {
  switch (status) {
    case 'missing':
      return 'restart';
    case 'completed':
    case 'failed':
    case 'terminated':
      // Never claimed: what ended was an instance with an old token.
      if (row.status === 'pending') return 'restart';
      return status === 'terminated' ? 'cancel' : 'fail';
    case 'stalled':
      return row.status === 'stalled' ? 'fine' : 'stalled';
    case 'pending':
    case 'running':
    case 'suspended':
      return 'fine';
    default:
      return status satisfies never;
  }
}

/**
 * A child is its parent's: it ends with the parent's knowledge, and is started again by the parent's replay. One whose
 * parent is over was left behind: it is canceled, and ended where it has no instance that could end it.
 */
async function verdictOnChild({ database }: SweepOptions, row: RunRow, status: InstanceStatus): Promise<Verdict> {
  const parent = await database.read(() => loadRun(row.parent_run_id ?? ''));
  if (parent && !isOver(parent)) return status === 'stalled' ? verdictOn(row, status) : 'fine';
  if (status === 'missing' || ended.has(status)) return 'cancel';
  return row.canceling === 0 ? 'orphan' : 'fine';
}

const ended: ReadonlySet<InstanceStatus> = new Set(['completed', 'failed', 'terminated']);

/**
 * Ends what still runs below a run that is to be started over: an engine takes no start over an instance with a child
 * that runs. Nothing is purged, since daprd does not execute what is purged and started again soon after.
 * @returns false where it is not ended yet, or where the run was started meanwhile: then these are its own.
 */
async function makeRoom({ engine, database }: SweepOptions, row: RunRow, status: InstanceStatus): Promise<boolean> {
  if (await database.read(() => isStarting(row.run_id))) return false;
  const children = await database.read(() => openDescendants(row.run_id));
  if ((await engine.status(row.run_id)) !== status) return false;
  let isEmpty = true;
  for (const { run_id: childId } of children) {
    const childStatus = await engine.status(childId);
    if (childStatus === 'missing' || ended.has(childStatus)) continue;
    await engine.terminate(childId);
    // The embedded engine has ended it by now, daprd soon will have.
    if (!ended.has(await engine.status(childId))) isEmpty = false;
  }
  return isEmpty;
}

/** Acts on a verdict, if the run is still as it was when the engine was asked. */
function* settle(options: SweepOptions, seen: RunRow, status: InstanceStatus, verdict: Verdict): Unit<void> {
  const row = yield* loadRun(seen.run_id);
  if (!row || isOver(row) || row.token !== seen.token || row.status !== seen.status) return;
  switch (verdict) {
    case 'fine':
      return;
    case 'restart':
      if (yield* isStarting(row.run_id)) return;
      yield* restart(options, row.run_id);
      return;
    case 'fail':
    case 'cancel':
      yield* finishRun(options, row.run_id, endOf(row, status));
      return;
    case 'orphan':
      yield* requestCancel(options.signals, row, { by: 'coordinator', reason: 'the run it belongs to has ended' });
      return;
    case 'stalled':
      yield* stallRun(options, row.run_id, {
        reason: 'ENGINE',
        message: 'the engine holds its instance back',
      });
      return;
    default:
      verdict satisfies never;
  }
}

const endOf = (row: RunRow, status: InstanceStatus): RunEnd =>
  isChild(row)
    ? { status: 'canceled', reason: 'the run it belongs to has ended', undone: [] }
    : status === 'terminated'
      ? { status: 'canceled', reason: 'the instance was terminated through the engine', undone: [] }
      : {
          status: 'failed',
          failure: {
            code: 'INTERNAL',
            message: `the instance of ${row.workflow} ended (${status}) without finishing the run`,
            retryable: false,
          },
          undone: [],
          notUndone: [],
        };

function* restart({ signals }: SweepOptions, runId: string): Unit<void> {
  yield* startOver(runId, newToken());
  yield* requestStart(signals, runId);
}

function* isStarting(runId: string): Unit<boolean> {
  const rows = yield* all(
    query
      .selectFrom('outbox')
      .select('outbox_id')
      .where('run_id', '=', runId)
      .where('kind', '=', 'start')
      .where('state', '<>', 'done')
      .limit(1)
      .compile(),
  );
  return rows.length > 0;
}

function* openRuns(after: string): Unit<readonly RunRow[]> {
  return yield* all(
    query
      .selectFrom('runs')
      .selectAll()
      .where('status', 'in', ['pending', 'running', 'stalled'])
      .where('run_id', '>', after)
      .orderBy('run_id')
      .limit(pageSize)
      .compile(),
  );
}
