import type { Database } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import type { LocalActivity } from '../activities/activities.ts';
import type { Directory } from '../directory/directory.ts';
import type { Runs } from '../runs/runs.ts';
import { loadRun } from '../runs/run-rows.ts';
import { type CheckResult, findProblem, type Limits } from '../workflows/health/reading.ts';
import { beginMonitor, closeAlert, closeAlerts, raiseAlert } from './alert-runs.ts';
import { checkAgents } from './check-agents.ts';
import { checkDevices } from './check-devices.ts';
import { checkModel, type ModelEndpoint } from './check-model.ts';
import { recentCalls } from './recent-calls.ts';

export interface HealthDeps {
  database: Database;
  directory: Directory;
  runs: Pick<Runs, 'start' | 'receiveEvent'>;
  model: ModelEndpoint | undefined;
}

const Check = z.object({ at: z.number(), windowMs: z.number() });
const Limited = z.object({ latencyMs: z.number(), errorRate: z.number() });
const Begin = z.object({ monitorId: z.string() });
const Close = z.object({ runId: z.string(), reason: z.string() });
const CloseAll = Begin.extend({ reason: z.string() });

/** What the workflow `health-monitor` does to the world. */
export function createHealthActivities(deps: HealthDeps): Readonly<Record<string, LocalActivity>> {
  return {
    'begin-monitor': (input, step) => beginMonitor(deps, Begin.parse(input).monitorId, step),
    'check-health': async (input, { runId }) =>
      notWell(await checkHealth(deps, Check.parse(input)), await limitsOf(deps, runId)),
    'raise-alert': async (input, step) => ({ runId: await raiseAlert(deps, input, step) }),
    'close-alert': (input, step) => closeAlert(deps, Close.parse(input), step),
    'close-alerts': (input, step) => closeAlerts(deps, CloseAll.parse(input), step),
  };
}

async function checkHealth(deps: HealthDeps, { at, windowMs }: z.infer<typeof Check>): Promise<CheckResult> {
  const recent = await recentCalls(deps.database, at - windowMs);
  const [agents, model, devices] = await Promise.all([
    checkAgents(deps.directory, recent),
    checkModel(deps.model),
    checkDevices(deps.directory),
  ]);
  return { readings: [...agents, ...model, ...devices.readings], unread: devices.unread };
}

/** From where on a measurement is bad for a monitor, as its own input says. */
async function limitsOf({ database }: HealthDeps, runId: string): Promise<Limits | undefined> {
  const monitor = await database.read(() => loadRun(runId));
  return Limited.safeParse(JSON.parse(monitor?.input ?? 'null')).data;
}

/**
 * Without what is well by any measure: every check of a monitor is stored with its run, which has no end, and must be as
 * large as what is wrong, not as what is watched.
 */
const notWell = ({ readings, unread }: CheckResult, limits: Limits | undefined): CheckResult => ({
  readings: limits ? readings.filter((reading) => findProblem(reading, limits, true) !== undefined) : readings,
  unread,
});
