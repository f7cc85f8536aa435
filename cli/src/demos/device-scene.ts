import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome, DemoStage, DemoVariant } from './demo.ts';

const workflow = 'device-scene';

/** The devices of the scene: what they are before it, and what it wants of them. */
const devices = [
  ...['light-1', 'light-2', 'light-3', 'light-4', 'light-5', 'light-6'].map((deviceId) => ({
    kind: 'light',
    deviceId,
    before: { on: false, brightness: 100 },
    set: { on: true, brightness: 40 },
  })),
  {
    kind: 'thermostat',
    deviceId: 'thermostat-1',
    before: { mode: 'off', targetCelsius: 18 },
    set: { mode: 'heat', targetCelsius: 21 },
  },
  { kind: 'lock', deviceId: 'lock-1', before: { locked: false }, set: { locked: true } },
];

const DeviceReply = z.looseObject({ device: z.looseObject({ state: z.record(z.string(), z.unknown()) }) });
const Report = z.array(z.looseObject({ deviceId: z.string(), status: z.string() }));
const Output = z.looseObject({ status: z.string(), statement: z.string(), devices: Report });
const Failure = z.looseObject({ code: z.string(), details: z.looseObject({ devices: Report }) });

const brokenLights = ['light-2', 'light-5'];

/** Lights, a thermostat and a lock are set together, five at a time; some of them may be broken. */
export const deviceScene = {
  workflow,
  variants: {
    'all-set': variant({
      title: 'lights, a thermostat and a lock are set together, five at a time',
      required: true,
      broken: [],
      findReportProblems: (outcome) => findReportProblems(outcome, 'all-set', []),
      wanted: ({ set }) => set,
    }),
    'two-broken': variant({
      title: 'two lights are broken, and the others are set all the same',
      required: false,
      broken: brokenLights,
      findReportProblems: (outcome) => findReportProblems(outcome, 'partial', brokenLights),
      wanted: ({ deviceId, set, before }) => (brokenLights.includes(deviceId) ? before : set),
    }),
    'required-broken': variant({
      title: 'the lock is broken, which the scene cannot do without, so every device is set back',
      required: true,
      broken: ['lock-1'],
      findReportProblems: findUndoProblems,
      wanted: ({ before }) => before,
    }),
  },
} satisfies Demo;

interface SceneVariant {
  title: string;
  required: boolean;
  /** These are stuck. */
  broken: readonly string[];
  findReportProblems: (outcome: DemoOutcome) => string[];
  /** The state of a device in the end. */
  wanted: (device: (typeof devices)[number]) => Record<string, unknown>;
}

function variant({ title, required, broken, findReportProblems: look, wanted }: SceneVariant): DemoVariant {
  return {
    title,
    createInput: () => ({
      name: 'Evening',
      devices: devices.map(({ kind, deviceId, set }) => ({ kind, deviceId, set, required })),
    }),
    start: async (stage, input) => {
      await prepare(stage, broken);
      return stage.api.start(workflow, input, newId());
    },
    findProblems: async (outcome) => {
      const problems = [...look(outcome), ...(await findStateProblems(outcome, wanted))];
      await prepare(outcome, []);
      return problems;
    },
  };
}

/** Brings every device to where the scene begins, and breaks some of them. */
async function prepare({ agentWith }: DemoStage, broken: readonly string[]): Promise<void> {
  for (const { kind, deviceId, before } of devices) {
    const agent = await agentWith(`set-${kind}`);
    const setFault = (fault: object | null) =>
      askAgent(agent, `fault-${kind}`, { deviceId, fault, announce: false }, DeviceReply);
    await setFault(null);
    await askAgent(agent, `set-${kind}`, { deviceId, ...before }, DeviceReply);
    if (broken.includes(deviceId)) await setFault({ type: 'stuck' });
  }
}

function findReportProblems({ run }: DemoOutcome, wanted: string, broken: readonly string[]): string[] {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a report`];
  const { status, statement } = output.data;
  const failed = output.data.devices.filter((device) => device.status === 'failed').map(({ deviceId }) => deviceId);
  return [
    ...(status === wanted ? [] : [`the scene is ${status} (${statement}), not ${wanted}`]),
    ...(failed.join() === broken.join() ? [] : [`${failed.join() || 'no device'} failed, not ${broken.join()}`]),
  ];
}

function findUndoProblems({ run }: DemoOutcome): string[] {
  const failure = Failure.safeParse(run.error);
  if (run.status !== 'failed' || !failure.success) return [`the run ended as ${run.status} without a report`];
  return failure.data.details.devices.flatMap(({ deviceId, status }) => {
    const wanted = deviceId === 'lock-1' ? 'failed' : 'set-back';
    return status === wanted ? [] : [`${deviceId} is reported as ${status}, not ${wanted}`];
  });
}

/** Looks at the devices themselves. */
async function findStateProblems({ agentWith }: DemoOutcome, wanted: SceneVariant['wanted']): Promise<string[]> {
  const problems: string[] = [];
  for (const each of devices) {
    const { kind, deviceId } = each;
    const agent = await agentWith(`get-${kind}`);
    const { state } = (await askAgent(agent, `get-${kind}`, { deviceId }, DeviceReply)).device;
    for (const [name, value] of Object.entries(wanted(each))) {
      if (state[name] !== value)
        problems.push(`${name} of ${deviceId} is ${String(state[name])}, not ${String(value)}`);
    }
  }
  return problems;
}
