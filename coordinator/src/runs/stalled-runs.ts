import { TaskState } from '@a2a-js/sdk';
import { textPart } from '@daca-mesh/protocol';
import { afterCommit, all, type Database, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { raiseEvent } from '../outbox/raise.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import { eventNames } from '../workflow-kit/contract.ts';
import { noWorkflow } from '../workflow-kit/versions.ts';
import { registeredName, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { appendToTask } from './append-to-task.ts';
import { isOver, loadRun } from './run-rows.ts';
import type { UnitDeps } from './unit-deps.ts';

/**
 * A run is stalled while no worker can go on with it: its workflow's version is not here, its code does not fit what was
 * recorded, a value it needs is gone, or its turn has ended the process again and again. It keeps everything and says so; any activity it executes ends that.
 */

/** Why a run is stalled, as people see it. */
export interface RunStall {
  reason: 'NON_DETERMINISM' | 'WORKFLOW_NOT_FOUND' | 'PAYLOAD_MISSING' | 'QUARANTINED' | 'ENGINE';
  message: string;
}

/** What a run is shown with as stalled, and as going on: its rows, and its task. */
export type StallDeps = Pick<UnitDeps, 'signals' | 'core'>;

const live = ['pending', 'running', 'stalled'] as const;

/** Shows that a run needs an operator, or a process with the right code. Told again, it changes nothing. */
export function* stallRun(deps: StallDeps, runId: string, stall: RunStall): Unit<void> {
  const text = JSON.stringify(stall);
  const changed = yield* run(
    query
      .updateTable('runs')
      .set({ status: 'stalled', stall: text, updated_at: Date.now() })
      .where('run_id', '=', runId)
      .where('status', 'in', live)
      .where((eb) => eb.or([eb('status', '<>', 'stalled'), eb('stall', 'is', null), eb('stall', '<>', text)]))
      .compile(),
  );
  if (changed === 0) return;
  yield* appendTimeline(deps.signals, runId, { type: 'run-stalled', data: stall });
  const row = yield* first(selectPlace({ run_id: runId }));
  if (!row?.root_run_id) {
    yield* tell(deps, runId, `the run is stalled: ${stall.message}`);
    return;
  }
  // People look at the root, which cannot go on either.
  const shown: RunStall = { ...stall, message: `child ${row.path}: ${stall.message}` };
  const isNews = (yield* run(showOnRoot({ run_id: row.root_run_id, stall: JSON.stringify(shown) }))) > 0;
  if (isNews) yield* tell(deps, row.root_run_id, `the run is stalled: ${shown.message}`);
}

/** Says on the task what the run is at. An open question is what the task must show; it does not give way to news. */
function* tell({ core }: StallDeps, runId: string, text: string): Unit<void> {
  const row = yield* loadRun(runId);
  if (!row || isOver(row) || row.open_questions > 0) return;
  yield* appendToTask(core, runId, { status: { state: TaskState.TASK_STATE_WORKING, parts: [textPart(text)] } });
}

const selectPlace = statement<{ run_id: string }, Pick<RunRow, 'root_run_id' | 'path'>>((value) =>
  query.selectFrom('runs').select(['root_run_id', 'path']).where('run_id', '=', value('run_id')),
);

const showOnRoot = statement<{ run_id: string; stall: string }, unknown>((value) =>
  query
    .updateTable('runs')
    .set({ status: 'stalled', stall: value('stall') })
    .where('run_id', '=', value('run_id'))
    .where('status', 'in', ['pending', 'running']),
);

const goOn = statement<{ run_id: string }, unknown>((value) =>
  query
    .updateTable('runs')
    .set({ status: 'running', stall: null })
    .where('run_id', '=', value('run_id'))
    .where('status', '=', 'stalled')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('runs as below')
            .select('below.run_id')
            .where('below.root_run_id', '=', value('run_id'))
            .where('below.status', '=', 'stalled'),
        ),
      ),
    ),
);

/** The run made a step: it is not stalled any more, if it was. */
export function* unstallRun(deps: StallDeps, runId: string): Unit<void> {
  if ((yield* run(goOn({ run_id: runId }))) === 0) return;
  yield* appendTimeline(deps.signals, runId, { type: 'run-resumed', data: { reason: goesOn } });
  const row = yield* first(selectPlace({ run_id: runId }));
  if (row?.root_run_id) yield* releaseRoot(deps, row.root_run_id);
  else yield* tell(deps, runId, goesOn);
}

const goesOn = 'its workflow goes on';

/** A child is not stalled any more: nor is its root, if that was the last. */
export function* releaseRoot(deps: StallDeps, rootRunId: string): Unit<void> {
  if ((yield* run(goOn({ run_id: rootRunId }))) > 0) yield* tell(deps, rootRunId, goesOn);
}

/** Has a stalled run try again. The event it was asked by before, and could not take, is raised again. */
export function* retryStalledRun(signals: Signals, runId: string): Unit<void> {
  const again = yield* run(
    query
      .updateTable('outbox')
      .set({ state: 'pending', next_at: Date.now() })
      .where('run_id', '=', runId)
      .where('name', '=', eventNames.resume)
      .where('state', '<>', 'done')
      .compile(),
  );
  if (again === 0) yield* raiseEvent(signals, runId, eventNames.resume, {});
  else yield* afterCommit(() => signals.outbox.emit());
}

/** Whether the engine holds a run back because its code ended the process: only somebody who resumes it ends that. */
export function isQuarantined({ status, stall }: Pick<RunRow, 'status' | 'stall'>): boolean {
  // Written by stallRun.
  return status === 'stalled' && stall !== null && (JSON.parse(stall) as RunStall).reason === 'QUARANTINED';
}

/** Has the engine try a quarantined run again. */
export function* resumeInstance(signals: Signals, runId: string): Unit<void> {
  const row = { run_id: runId, kind: 'resume' as const, event_no: 0, name: '', payload: 'null' };
  yield* run(
    query
      .insertInto('outbox')
      .values({ ...row, state: 'pending', tries: 0, next_at: Date.now() })
      .compile(),
  );
  yield* afterCommit(() => signals.outbox.emit());
}

const pageSize = 500;

/**
 * Compares open runs with the workflows of this process when it starts: a run whose version is missing stalls at once,
 * not when it is woken next, and one that is stalled tries again where its version is here.
 */
export async function reviewRuns(
  { database, ...deps }: StallDeps & { database: Database },
  workflows: readonly WorkflowDefinition[],
): Promise<void> {
  const known = new Set(workflows.map(registeredName));
  for (let after = ''; ;) {
    const page = await database.read(() => openRuns(after));
    await database.write(function* () {
      for (const row of page) yield* review(deps, row, known.has(registeredName(versionOf(row))));
    });
    const last = page.at(-1);
    if (!last || page.length < pageSize) return;
    after = last.run_id;
  }
}

type OpenRun = Pick<RunRow, 'run_id' | 'workflow' | 'version' | 'status' | 'stall'>;

const versionOf = ({ workflow: name, version }: OpenRun): { name: string; version: number } => ({ name, version });

function* review(deps: StallDeps, row: OpenRun, isKnown: boolean): Unit<void> {
  if (!isKnown) {
    const message = noWorkflow(registeredName(versionOf(row)));
    yield* stallRun(deps, row.run_id, { reason: 'WORKFLOW_NOT_FOUND', message });
  } else if (row.status === 'stalled' && !isQuarantined(row)) yield* retryStalledRun(deps.signals, row.run_id);
}

function* openRuns(after: string): Unit<readonly OpenRun[]> {
  return yield* all(
    query
      .selectFrom('runs')
      .select(['run_id', 'workflow', 'version', 'status', 'stall'])
      .where('status', 'in', live)
      .where('run_id', '>', after)
      .orderBy('run_id')
      .limit(pageSize)
      .compile(),
  );
}
