import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { deviceRepair } from './device-repair.ts';
import { maxProblemChars, maxTargetChars, TargetKind, WatchedDevice } from './health/reading.ts';

/** The event that ends an alert. */
export const alertResolved = 'alert_resolved';

const AlertTarget = z.strictObject({
  target: z.string().min(1).max(maxTargetChars),
  problem: z.string().max(maxProblemChars),
  device: WatchedDevice.optional(),
});

const Input = z
  .strictObject({
    /** Whose alert it is: a monitor that begins anew closes those of the one before it. */
    monitorId: z.string().min(1).max(100),
    kind: TargetKind,
    targets: z.array(AlertTarget).min(1).max(100),
    /** How long people are left alone with it before it goes to the next one, and after they ordered a repair. */
    quietMs: z
      .int()
      .min(1_000)
      .default(30 * 60_000),
    assignee: z.string().min(1).max(200).default('operator'),
    escalateTo: z.string().min(1).max(200).default('lead-operator'),
  })
  .meta({
    examples: [
      { monitorId: 'default', kind: 'agent', targets: [{ target: 'agent:writer', problem: 'cannot be reached' }] },
    ],
  });
type Alert = z.infer<typeof Input>;

const maxRepairsAtATime = 5;
const maxSnoozeMs = 30 * 24 * 60 * 60_000;

const Decision = z.strictObject({
  /**
   * `acknowledge`: known, no more questions until it is over. `snooze`: asked again after `forMs`. `repair`: has the
   * devices repaired, asked again if that does not help within the quiet period. `resolved`: over, or of no interest.
   */
  choice: z.enum(['acknowledge', 'snooze', 'repair', 'resolved']),
  forMs: z
    .int()
    .min(1_000)
    .max(maxSnoozeMs)
    .default(60 * 60_000),
  reason: z.string().max(2_000).optional(),
});
type Decision = z.infer<typeof Decision>;

/** Only devices can be repaired. */
const decisionAbout = (kind: TargetKind): z.ZodType<Decision> =>
  kind === 'device' ? Decision : Decision.extend({ choice: Decision.shape.choice.exclude(['repair']) });

/** What the event says that ends an alert; a person who closes it says the same. */
const Resolved = z.looseObject({ reason: z.string().optional() });

/**
 * Tells people about targets that failed together, once, and follows what they decide until all is well again. A run of
 * its own, so that its question stays open while the monitor begins one generation after another.
 */
export const healthAlert = defineWorkflow({
  name: 'health-alert',
  version: 1,
  title: 'Health alert',
  description: 'Asks people to acknowledge, snooze or repair what failed, until it is well again.',
  input: Input,
  uses: [deviceRepair],
  output: z.strictObject({
    /** Who knew of it; absent where it passed before anybody did. */
    acknowledgedBy: z.string().optional(),
    /** How often a repair was ordered. */
    repairs: z.int(),
    reason: z.string(),
  }),
  async *run(mesh, alert) {
    yield* publishAlert(mesh, 'AlertRaised', alert);
    const known: { acknowledgedBy?: string } = {};
    for (let repairs = 0; ;) {
      const { decision, by } = yield* askPeople(mesh, alert);
      if (decision.choice !== 'resolved') known.acknowledgedBy = by;
      if (decision.choice === 'repair') {
        repairs++;
        yield* repairDevices(mesh, alert);
      }
      const reason = yield* waitForEnd(mesh, alert, decision);
      if (reason === undefined) continue;
      yield* publishAlert(mesh, 'AlertResolved', { ...alert, reason });
      return { ...known, repairs, reason };
    }
  },
});

async function* askPeople(mesh: Mesh, alert: Alert): Step<{ decision: Decision; by: string }> {
  const { kind, targets, quietMs, assignee, escalateTo } = alert;
  const list = targets.map(({ target, problem }) => `${target}: ${problem}`).join('\n');
  const outcome = yield* mesh.ask({
    prompt: `${headline(alert)}\n${list}`.slice(0, maxPromptChars),
    actions: ['answer'],
    schema: decisionAbout(kind),
    arguments: { kind, targets },
    assignee,
    escalation: [{ after: quietMs, assignee: escalateTo }],
    event: alertResolved,
  });
  // It has no deadline and takes nothing but an answer.
  if (outcome.status !== 'answered' || outcome.answer.action !== 'answer') {
    throw new MeshError('ANSWER_INVALID', 'an alert is answered by a choice');
  }
  return { decision: outcome.answer.value, by: outcome.by };
}

/** Why it is over; undefined where people are to be asked again. */
async function* waitForEnd(
  mesh: Mesh,
  { quietMs }: Alert,
  { choice, forMs, reason }: Decision,
): Step<string | undefined> {
  if (choice === 'resolved') return reason ?? 'closed by hand';
  const limits = { acknowledge: {}, snooze: { timeout: forMs }, repair: { timeout: quietMs } };
  const waited = yield* mesh.waitFor(alertResolved, limits[choice]);
  if (waited.status === 'timed-out') return undefined;
  const resolved = Resolved.safeParse(waited.payload);
  return resolved.data?.reason ?? 'resolved';
}

/** What becomes of each repair is told by its own events; whether it helped, by the monitor. */
async function* repairDevices(mesh: Mesh, { targets }: Alert): Step<void> {
  const repairs = targets.flatMap(({ device, problem }) => {
    if (!device) return [];
    const { kind, deviceId } = device;
    return [mesh.child(deviceRepair, { kind, deviceId, fault: problem || undefined }, { key: deviceId })];
  });
  yield* mesh.all(repairs, { limit: maxRepairsAtATime, onFailure: 'collect' });
}

async function* publishAlert(mesh: Mesh, type: string, { targets, ...alert }: Alert & { reason?: string }): Step<void> {
  const { monitorId, kind, reason } = alert;
  yield* mesh.progress(reason === undefined ? headline({ kind, targets }) : `Resolved: ${reason}`);
  const data = { monitorId, kind, targets, ...(reason === undefined ? {} : { reason }) };
  yield* mesh.activity('publish-event', { type, subject: mesh.runId, data });
}

const maxPromptChars = 5_000;

const headline = ({ kind, targets }: Pick<Alert, 'kind' | 'targets'>): string => {
  const [first] = targets;
  if (first && targets.length === 1) return `${first.target} is in trouble: ${first.problem}`;
  return `${targets.length} ${kind}s are in trouble`;
};
