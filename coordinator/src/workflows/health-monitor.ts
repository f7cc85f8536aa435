import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { dueAlerts, LastRaised, OpenAlert, overAlerts } from './health/alerts.ts';
import { nextIntervalMs } from './health/interval.ts';
import { CheckResult } from './health/reading.ts';
import { observe, Targets } from './health/targets.ts';

const minute = 60_000;

/** What a generation hands to the next. */
const State = z.strictObject({
  targets: Targets,
  alerts: z.array(OpenAlert),
  lastRaised: LastRaised,
  intervalMs: z.int().min(1),
  checks: z.int(),
  raised: z.int(),
});
type State = z.infer<typeof State>;

const Input = z
  .strictObject({
    /** Its name. One monitor of a name runs at a time: a second one fails at once. */
    monitorId: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,63}$/u)
      .default('default'),
    /** The pause between two checks: the shortest while anything is bad, growing to the longest in calm times. */
    minIntervalMs: z.int().min(100).default(30_000),
    maxIntervalMs: z
      .int()
      .min(100)
      .default(10 * minute),
    /** A target is down after `bad` bad looks among the last `of`, and well again after `close` good ones in a row. */
    open: z.strictObject({ bad: z.int().min(1).max(20), of: z.int().min(1).max(20) }).default({ bad: 3, of: 5 }),
    close: z.int().min(1).max(20).default(3),
    /** Within it there is no second alert of a kind, and after it an alert nobody answered goes to the next one. */
    quietMs: z
      .int()
      .min(1_000)
      .default(30 * minute),
    /** Slower is bad. */
    latencyMs: z.number().positive().default(2_000),
    /** A larger share of failed calls within `windowMs` is bad. */
    errorRate: z.number().min(0).max(1).default(0.5),
    windowMs: z
      .int()
      .min(1_000)
      .max(24 * 60 * minute)
      .default(15 * minute),
    assignee: z.string().min(1).max(200).optional(),
    escalateTo: z.string().min(1).max(200).optional(),
    /** Ends after so many checks; without it, it never does. */
    checks: z.int().min(1).optional(),
    /** Handed from one generation to the next; not for callers. */
    state: State.optional(),
  })
  .refine(({ minIntervalMs, maxIntervalMs }) => minIntervalMs <= maxIntervalMs, {
    path: ['maxIntervalMs'],
    error: 'must not be less than minIntervalMs',
  })
  .refine(({ open }) => open.bad <= open.of, { path: ['open', 'bad'], error: 'must not be more than `of`' })
  .meta({ examples: [{ monitorId: 'default', minIntervalMs: 30_000, maxIntervalMs: 600_000 }] });
type Settings = Omit<z.infer<typeof Input>, 'state'>;

/** Some 100 events of history; every turn replays them. */
const checksPerGeneration = 10;

/** A monitor does not end because the coordinator's database is in trouble for a while: tried for half an hour. */
const patient = { attempts: 60 };

const Raised = z.object({ runId: z.string() });

/**
 * Looks at every agent, the model endpoint and the devices, again and again, and raises an alert for what stays bad. It
 * has no end: every few checks it begins a new history with nothing but its state. An alert is a run of its own
 * (`health-alert`), since a question of this one would have to be closed at each new beginning.
 */
export const healthMonitor = defineWorkflow({
  name: 'health-monitor',
  version: 1,
  title: 'Health monitor',
  description: 'Watches the agents, the model endpoint and the devices, and alerts people when something stays bad.',
  input: Input,
  output: z.strictObject({ checks: z.int(), raised: z.int() }),
  async *run(mesh, { state: carried, ...settings }) {
    const { monitorId } = settings;
    if (!carried) yield* mesh.activity('begin-monitor', { monitorId });
    let state = carried ?? firstState(settings);
    // Nobody must be left with an alert that nobody closes.
    const closing = { monitorId, reason: 'the monitor has ended' };
    mesh.compensate('its open alerts', { activity: 'close-alerts', input: closing });
    for (let check = 0; check < checksPerGeneration; check++) {
      state = yield* checkOnce(mesh, settings, state);
      if (state.checks === settings.checks) {
        yield* mesh.activity('close-alerts', closing, patient);
        return { checks: state.checks, raised: state.raised };
      }
      yield* mesh.waitFor('check_now', { timeout: state.intervalMs });
    }
    mesh.commit();
    return yield* mesh.continueAsNew({ ...settings, state });
  },
});

const firstState = ({ minIntervalMs }: Settings): State => ({
  targets: {},
  alerts: [],
  lastRaised: {},
  intervalMs: minIntervalMs,
  checks: 0,
  raised: 0,
});

async function* checkOnce(mesh: Mesh, settings: Settings, state: State): Step<State> {
  const { latencyMs, errorRate, windowMs, open, close, quietMs } = settings;
  const now = mesh.now().getTime();
  const result = CheckResult.parse(yield* mesh.activity('check-health', { at: now, windowMs }, patient));
  const targets = observe(state.targets, result, {
    limits: { latencyMs, errorRate },
    hysteresis: { open, close },
  });
  const over = overAlerts(targets, state.alerts);
  for (const alert of over) yield* closeAlert(mesh, alert);
  const alerts = state.alerts.filter((alert) => !over.includes(alert));
  const lastRaised = { ...state.lastRaised };
  let { raised } = state;
  for (const due of dueAlerts(targets, alerts, lastRaised, { now, quietMs })) {
    alerts.push({ ...due, runId: yield* raiseAlert(mesh, settings, due, targets) });
    lastRaised[due.kind] = now;
    raised++;
  }
  const intervalMs = nextIntervalMs(state.intervalMs, targets, {
    minMs: settings.minIntervalMs,
    maxMs: settings.maxIntervalMs,
  });
  return { targets, alerts, lastRaised, intervalMs, checks: state.checks + 1, raised };
}

async function* raiseAlert(
  mesh: Mesh,
  { monitorId, quietMs, assignee, escalateTo }: Settings,
  { kind, targets: names }: Omit<OpenAlert, 'runId'>,
  targets: Targets,
): Step<string> {
  const alert = {
    monitorId,
    kind,
    targets: names.map((target) => ({
      target,
      problem: targets[target]?.problem ?? '',
      ...(targets[target]?.device ? { device: targets[target].device } : {}),
    })),
    quietMs,
    ...(assignee === undefined ? {} : { assignee }),
    ...(escalateTo === undefined ? {} : { escalateTo }),
  };
  const { runId } = Raised.parse(yield* mesh.activity('raise-alert', alert, patient));
  yield* mesh.progress(`Alert ${runId}: ${names.join(', ')}`);
  return runId;
}

async function* closeAlert(mesh: Mesh, { runId, targets }: OpenAlert): Step<void> {
  yield* mesh.activity('close-alert', { runId, reason: 'everything it was about is well again' }, patient);
  yield* mesh.progress(`Closed alert ${runId}: ${targets.join(', ')}`);
}
