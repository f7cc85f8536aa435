import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Run } from '../mesh-api.ts';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome, DemoStage } from './demo.ts';

const Output = z.looseObject({
  status: z.enum(['repaired', 'declined', 'not-needed', 'escalated']),
  repairs: z.number(),
});
const DeviceReply = z.looseObject({ device: z.looseObject({ health: z.string() }) });

const createInput = () => ({ kind: 'thermostat', deviceId: 'thermostat-2' });

/** A device that breaks, an event about it that starts the repair, and a person who approves what is done to it. */
export const deviceRepair = {
  workflow: 'device-repair',
  variants: {
    repaired: {
      title: 'a thermostat breaks, its event starts a repair, and a person approves what the agent wants to do',
      createInput,
      start: (stage, input) => breakDevice(stage, input, ['drift']),
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, { status: 'repaired', repairs: 1, health: 'ok' }),
    },
    declined: {
      title: 'a person does not want the thermostat to be touched, and it stays as it is',
      createInput,
      start: (stage, input) => breakDevice(stage, input, ['drift']),
      answer: () => ({ action: 'reject', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, { status: 'declined', repairs: 1, health: 'degraded' }),
    },
    'event-twice': {
      title: 'two events about a thermostat start one run, which repairs both faults',
      createInput,
      start: (stage, input) => breakDevice(stage, input, ['drift', 'slow']),
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, { status: 'repaired', repairs: 2, health: 'ok' }),
    },
    'agent-down': {
      title: 'the repair agent is killed while a person decides, and the thermostat is serviced when it is back',
      createInput,
      start: (stage, input) => breakDevice(stage, input, ['drift']),
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      meanwhile: async ({ control }) => void (await control().kill('repair', { down: false })),
      findProblems: (outcome) => findProblems(outcome, { status: 'repaired', repairs: 1, health: 'ok' }),
    },
  },
} satisfies Demo;

const eventWithinMs = 30_000;

/** Breaks a device that is well and gives the run that its event starts. */
async function breakDevice(
  { api, agentWith }: DemoStage,
  input: Record<string, unknown>,
  faults: readonly string[],
): Promise<string> {
  const { deviceId } = input;
  const agent = await agentWith('fault-thermostat');
  const isOpen = ({ status, input: given }: Run) =>
    !['completed', 'failed', 'canceled'].includes(status) && Object(given)['deviceId'] === deviceId;
  const openRun = async () => (await api.runs({ workflow: 'device-repair' })).runs.find(isOpen)?.runId;
  for (const fault of [null, ...faults.map((type) => ({ type }))]) {
    await askAgent(agent, 'fault-thermostat', { deviceId, fault }, DeviceReply);
  }
  for (const deadline = performance.now() + eventWithinMs; performance.now() < deadline; await sleep(100)) {
    const runId = await openRun();
    if (runId !== undefined) return runId;
  }
  throw new MeshError('DEADLINE_EXCEEDED', `no event about ${String(deviceId)} started a repair`);
}

async function findProblems(
  { input, run, auto, api, agentWith }: DemoOutcome,
  wanted: z.infer<typeof Output> & { health: string },
): Promise<string[]> {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a repair`];
  const { status, repairs } = output.data;
  const { deviceId } = input;
  const thermostats = await agentWith('get-thermostat');
  const { device } = await askAgent(thermostats, 'get-thermostat', { deviceId }, DeviceReply);
  const { runs } = await api.runs({ workflow: 'device-repair' });
  const others = runs.filter((each) => Object(each.input)['deviceId'] === deviceId && each.createdAt > run.createdAt);
  return [
    ...(auto && status !== wanted.status ? [`it should be ${wanted.status}, but it is ${status}`] : []),
    ...(auto && repairs !== wanted.repairs ? [`it should take ${wanted.repairs} repairs, but took ${repairs}`] : []),
    ...(auto && device.health !== wanted.health
      ? [`the thermostat says it is ${device.health}, not ${wanted.health}`]
      : []),
    ...(others.length === 0 ? [] : [`${others.length} more runs were started for one device`]),
  ];
}
