import type { Database } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import type { LocalActivity } from '../activities/activities.ts';
import type { Directory } from '../directory/directory.ts';
import type { Runs } from '../runs/runs.ts';
import type { CheckResult } from '../workflows/health/reading.ts';
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
const Begin = z.object({ monitorId: z.string() });
const Close = z.object({ runId: z.string(), reason: z.string() });
const CloseAll = Begin.extend({ reason: z.string() });

/** What the workflow `health-monitor` does to the world. */
export function createHealthActivities(deps: HealthDeps): Readonly<Record<string, LocalActivity>> {
  return {
    'begin-monitor': (input, step) => beginMonitor(deps, Begin.parse(input).monitorId, step),
    'check-health': (input) => checkHealth(deps, Check.parse(input)),
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
