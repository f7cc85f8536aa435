import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryEvent } from '@daca-mesh/sidecar/protocol';
import type { RawClient } from '@daca-mesh/sidecar/testing';
import type { DaprWorkflowClient, WorkflowActivityContext, WorkflowContext, WorkflowRuntime } from '@dapr/dapr';
import { decode } from './turns.ts';

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;
interface Work {
  readonly key: string;
  readonly value: number;
}

/** Side effects by key: how often each was had. */
export type Effects = Map<string, number>;

/** Chains, fan-outs, children, timers, events and generations. Every activity has one effect, by the key of its step. */
export function registerWorkload(runtime: WorkflowRuntime, effects: Effects): void {
  runtime.registerActivityWithName('work', async (_context: WorkflowActivityContext, { key, value }: Work) => {
    effects.set(key, (effects.get(key) ?? 0) + 1);
    await sleep(30);
    return { value: value + 1 };
  });
  runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, length: number): Steps<Work> {
    let value = 0;
    for (let step = 0; step < length; step += 1) {
      ({ value } = yield context.callActivity('work', { key: `${context.getWorkflowInstanceId()}/${step}`, value }));
    }
    return value;
  });
  runtime.registerWorkflowWithName('fan-out', async function* (context: WorkflowContext, width: number): Steps<Work[]> {
    const id = context.getWorkflowInstanceId();
    const tasks = Array.from({ length: width }, (_, n) =>
      context.callActivity('work', { key: `${id}/${n}`, value: n }),
    );
    return (yield context.whenAll(tasks)).map(({ value }) => value);
  });
  runtime.registerWorkflowWithName(
    'generations',
    async function* (context: WorkflowContext, { value }: Work): Steps<Work> {
      const key = `${context.getWorkflowInstanceId()}/${value}`;
      const next = yield context.callActivity('work', { key, value });
      if (next.value === 12) return next.value;
      context.continueAsNew(next, true);
      return undefined;
    },
  );
  runtime.registerWorkflowWithName('family', async function* (context: WorkflowContext): Steps<number[]> {
    const id = context.getWorkflowInstanceId();
    return yield context.whenAll(['a', 'b', 'c'].map((name) => context.callChildWorkflow('chain', 4, `${id}-${name}`)));
  });
  runtime.registerWorkflowWithName('sleeper', async function* (context: WorkflowContext): Steps<Work> {
    let value = 0;
    for (let step = 0; step < 6; step += 1) {
      yield context.createTimer(0.2);
      ({ value } = yield context.callActivity('work', { key: `${context.getWorkflowInstanceId()}/${step}`, value }));
    }
    return value;
  });
  runtime.registerWorkflowWithName('collector', async function* (context: WorkflowContext): Steps<{ n: number }> {
    // Who raises cannot know what of it arrived before a kill, so events come more than once.
    const seen = new Set<number>();
    while (seen.size < EVENTS) seen.add((yield context.waitForExternalEvent('n')).n);
    return [...seen].toSorted((a, b) => a - b);
  });
}

const EVENTS = 6;
const plan = [
  ['chain', 12],
  ['fan-out', 8],
  ['generations', { value: 0 }],
  ['family', undefined],
  ['sleeper', undefined],
  ['collector', undefined],
] as const;

/** Starts one of each, sees them all to their end whatever happens to the engine, and returns their outputs. */
export async function runWorkload(client: DaprWorkflowClient, raw: RawClient): Promise<Record<string, string>> {
  const outcomes = plan.map(async ([name, input]) => {
    await insist(() => client.scheduleNewWorkflow(name, input, name), ALREADY_EXISTS);
    if (name === 'collector') {
      for (let n = 0; n < EVENTS; n += 1) await insist(() => client.raiseEvent(name, 'n', { n }));
    }
    return [name, await outcomeOf(client, raw, name)] as const;
  });
  return Object.fromEntries(await Promise.all(outcomes));
}

/** What `runWorkload` says, with the history, of an instance that daprd 1.18.2 has lost: see `SILENT_MS`. */
export const LOST = 'lost';

async function outcomeOf(client: DaprWorkflowClient, raw: RawClient, id: string): Promise<string> {
  let recorded = '';
  let recordedAt = Date.now();
  while (Date.now() < recordedAt + SILENT_MS) {
    const state = await insist(() => client.getWorkflowState(id, true));
    const status: number = state?.runtimeStatus ?? RUNNING;
    if (status !== RUNNING && status !== PENDING) return `${status} ${state?.serializedOutput}`;
    const family = id === 'family' ? ['a', 'b', 'c'].map((name) => `${id}-${name}`) : [];
    const histories = await insist(() => Promise.all([id, ...family].map((each) => historyOf(raw, each))), NOT_FOUND);
    const events = (histories ?? []).map(describe).join('; ');
    if (events !== recorded) recordedAt = Date.now();
    recorded = events;
    await sleep(200);
  }
  return `${LOST}: ${recorded}`;
}

/** The events in their order, each with the activity, timer or child it is about: `taskScheduled 3, taskCompleted 3`. */
const describe = (history: readonly HistoryEvent[]): string => history.map(describeEvent).join(', ');

const describeEvent = ({ eventId, event: { case: type, value } }: HistoryEvent): string =>
  `${type} ${value !== undefined && 'taskScheduledId' in value ? value.taskScheduledId : eventId}`;

async function historyOf(raw: RawClient, instanceId: string): Promise<HistoryEvent[]> {
  return decode((await raw.call('getInstanceHistory', { instanceId })).events);
}

/**
 * Every workflow here has something to do at any time, each step takes milliseconds, and a killed scheduler is back after
 * 25 s. An instance of which nothing is recorded for this long goes on no more: daprd has its work, and does not give it out.
 */
const SILENT_MS = 90_000;
const RUNNING = 0;
const PENDING = 6;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const GIVE_UP_MS = 240_000;

/** Calls again until it is answered: a call that is under way when the engine is killed fails, or is never answered. */
async function insist<T>(call: () => Promise<T>, doneCode?: number): Promise<T | undefined> {
  const deadline = Date.now() + GIVE_UP_MS;
  for (;;) {
    try {
      return await Promise.race([call(), sleep(10_000).then(() => Promise.reject(new Error('no answer in 10 s')))]);
    } catch (error) {
      if (doneCode !== undefined && error instanceof Error && 'code' in error && error.code === doneCode)
        return undefined;
      if (Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}
