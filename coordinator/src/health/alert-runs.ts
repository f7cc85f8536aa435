import { digest, isMeshError, MeshError } from '@daca-mesh/protocol';
import { all, type Database, type Unit, workflowCaller } from '@daca-mesh/protocol/server';
import { isOver, loadRun } from '../runs/run-rows.ts';
import type { Runs } from '../runs/runs.ts';
import { query } from '../store/schema.ts';
import { alertResolved, healthAlert } from '../workflows/health-alert.ts';
import { healthMonitor } from '../workflows/health-monitor.ts';

/** What the runs of alerts and monitors are handled with. */
export interface AlertRunDeps {
  database: Database;
  runs: Pick<Runs, 'start' | 'receiveEvent'>;
}

/** Who does it: the run of a monitor, at one step. */
export interface MonitorStep {
  runId: string;
  key: string;
}

/**
 * Makes sure that this run is the only monitor of its name (the oldest one stays), and closes alerts that an earlier one
 * left open. @throws MeshError `ALREADY_RUNNING`.
 */
export async function beginMonitor(deps: AlertRunDeps, monitorId: string, step: MonitorStep): Promise<void> {
  const { runId } = step;
  const [oldest] = await deps.database.read(() => openRuns(healthMonitor.name, monitorId));
  if (oldest !== undefined && oldest !== runId) {
    throw new MeshError('ALREADY_RUNNING', `the run ${oldest} is the health monitor "${monitorId}" already`, {
      details: { monitorId, runId: oldest },
    });
  }
  await closeAlerts(deps, { monitorId, reason: 'its monitor began anew' }, step);
}

/** Starts the run of an alert; again, at the same step, it is the same run. */
export async function raiseAlert(deps: AlertRunDeps, alert: unknown, step: MonitorStep): Promise<string> {
  const { runId, key } = step;
  const monitor = await deps.database.read(() => loadRun(runId));
  // A monitor that is started over takes the same steps, and may see other things at each.
  const messageId = `alert-${digest([runId, key, alert]).slice(0, 32)}`;
  const { runId: alertId } = await deps.runs.start(healthAlert.name, alert, {
    caller: monitor?.caller ?? workflowCaller,
    messageId,
  });
  // Executed again after a crash, this may come when the alerts of a canceled monitor have been closed.
  const current = await deps.database.read(() => loadRun(runId));
  if (current && (current.canceling !== 0 || isOver(current))) {
    await closeAlert(deps, { runId: alertId, reason: 'the monitor has ended' }, step);
  }
  return alertId;
}

/** Tells an alert that it is over. One that people have closed or canceled is over already. */
export async function closeAlert(
  { runs }: AlertRunDeps,
  { runId, reason }: { runId: string; reason: string },
  step: MonitorStep,
): Promise<void> {
  const eventId = `resolved-${step.runId}-${step.key}`;
  try {
    await runs.receiveEvent(runId, alertResolved, { choice: 'resolved', reason }, eventId, workflowCaller);
  } catch (error) {
    if (!isMeshError(error) || (error.code !== 'RUN_FINISHED' && error.code !== 'RUN_NOT_FOUND')) throw error;
  }
}

/** Closes every alert of the monitors of a name. */
export async function closeAlerts(
  deps: AlertRunDeps,
  { monitorId, reason }: { monitorId: string; reason: string },
  step: MonitorStep,
): Promise<void> {
  for (const runId of await deps.database.read(() => openRuns(healthAlert.name, monitorId))) {
    await closeAlert(deps, { runId, reason }, step);
  }
}

/** The runs of a workflow for a monitor that have not ended, the oldest first. */
function* openRuns(workflow: string, monitorId: string): Unit<string[]> {
  const rows = yield* all(
    query
      .selectFrom('runs')
      .select('run_id')
      .where('workflow', '=', workflow)
      .where('status', 'in', ['pending', 'running', 'stalled'])
      .where((eb) => eb(eb.fn<string>('json_extract', ['input', eb.val('$.monitorId')]), '=', monitorId))
      .orderBy('created_at')
      .orderBy('run_id')
      .compile(),
  );
  return rows.map(({ run_id: runId }) => runId);
}
