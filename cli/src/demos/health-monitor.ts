import { setTimeout as sleep } from 'node:timers/promises';
import { isMeshError, MeshError, newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { MeshApi, Run } from '../mesh-api.ts';
import type { Demo, DemoOutcome, DemoStage } from './demo.ts';

const target = 'agent:formatter';
const patienceMs = 60_000;

const Output = z.looseObject({ checks: z.number(), raised: z.number() });
const AlertInput = z.looseObject({ monitorId: z.string(), targets: z.array(z.looseObject({ target: z.string() })) });
const AlertOutput = z.looseObject({ acknowledgedBy: z.string(), reason: z.string() });

/** In a hurry: it looks several times a second, and two bad looks are an alert. What failed before is of no interest. */
const createInput = () => ({
  monitorId: `demo-${newId()}`,
  minIntervalMs: 300,
  maxIntervalMs: 1_000,
  open: { bad: 2, of: 3 },
  close: 2,
  latencyMs: 30_000,
  errorRate: 1,
});

/** A monitor without an end: it ends by its number of checks, or by being canceled. */
export const healthMonitor = {
  workflow: 'health-monitor',
  variants: {
    calm: {
      title: 'agents, model and devices are looked at three times, and all is well',
      createInput: () => ({ ...createInput(), open: { bad: 3, of: 3 }, checks: 3 }),
      findProblems: async ({ run }) => {
        const output = Output.safeParse(run.output);
        if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status}`];
        const { checks, raised } = output.data;
        return checks === 3 && raised === 0 ? [] : [`there were ${raised} alerts in ${checks} checks`];
      },
    },
    'agent-down': {
      title: 'the formatter dies: one alert, acknowledged, and resolved when it is back',
      createInput,
      meanwhile: watchAgentDie,
      findProblems: findAlertProblems,
    },
  },
} satisfies Demo;

async function watchAgentDie({ api, control }: DemoStage, runId: string): Promise<void> {
  const monitor = await api.run(runId);
  try {
    await control().kill('formatter', { down: true });
    const alert = await until('an alert', async () => {
      const found = await findAlert(api, monitor);
      return found?.status === 'waiting' ? found : undefined;
    });
    await acknowledge(api, alert);
    await control().restart('formatter');
    await until('the end of the alert', async () => {
      const { status } = await api.run(alert.runId);
      return status === 'completed' ? status : undefined;
    });
  } finally {
    await api.control(runId, 'cancel', { reason: 'the demonstration is over' });
  }
}

async function findAlert(api: MeshApi, { input }: Pick<Run, 'input'>): Promise<Run | undefined> {
  const { runs } = await api.runs({ workflow: 'health-alert' });
  const { monitorId } = z.looseObject({ monitorId: z.string() }).parse(input);
  return runs.find((run) => {
    const alert = AlertInput.safeParse(run.input).data;
    return alert?.monitorId === monitorId && alert.targets.some((each) => each.target === target);
  });
}

async function acknowledge(api: MeshApi, { runId }: Run): Promise<void> {
  const { questions } = await api.questions({ runId, status: 'open' });
  for (const { id } of questions) {
    try {
      await api.answer(id, { action: 'answer', value: { choice: 'acknowledge' }, by: 'mesh demo' });
    } catch (error) {
      // Whoever watches the inbox may have been faster.
      if (!isMeshError(error) || error.code !== 'QUESTION_CLOSED') throw error;
    }
  }
}

async function findAlertProblems({ api, run }: DemoOutcome): Promise<string[]> {
  const alert = await findAlert(api, run);
  const output = AlertOutput.safeParse(alert?.output);
  return [
    ...(run.status === 'canceled' ? [] : [`the monitor ended as ${run.status}`]),
    ...(output.success ? [] : [`the alert ended as ${alert?.status ?? 'nothing'}, with nobody knowing of it`]),
  ];
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new MeshError('DEADLINE_EXCEEDED', `${what} did not come in ${patienceMs} ms`);
    await sleep(100);
  }
}
