import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaprWorkflowClient, WorkflowActivityContext, WorkflowContext, WorkflowRuntime } from '@dapr/dapr';

/**
 * One fixed set of workflows of every kind, and the program that starts, disturbs and awaits them. The program may be
 * killed and started again at any time: what it knows to be done stands in `progress.log` and is not done again.
 * Every activity leaves a line in `effects.log`.
 */

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;
/** Names an activity by instance, generation and step. */
interface Work {
  readonly key: string;
  readonly value: number;
}
interface Generation {
  readonly number: number;
  readonly last: number;
}

const EVENTS = 6;

/** `isOver` silences a worker whose engine is gone: what it had queued belongs to the next one. */
export function registerWorkflows(runtime: WorkflowRuntime, folder: string, isOver: () => boolean): void {
  runtime.registerActivityWithName('work', async (_context: WorkflowActivityContext, { key, value }: Work) => {
    if (isOver()) await new Promise(() => {});
    appendFileSync(join(folder, 'effects.log'), `${key}\n`);
    await sleep(10);
    return { value: value + 1 };
  });
  runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, length: number): Steps<Work> {
    let value = 0;
    for (let step = 0; step < length; step += 1) {
      ({ value } = yield context.callActivity('work', { key: `${context.getWorkflowInstanceId()}/0/${step}`, value }));
    }
    return value;
  });
  runtime.registerWorkflowWithName('fan-out', async function* (context: WorkflowContext, width: number): Steps<Work[]> {
    const id = context.getWorkflowInstanceId();
    const tasks = Array.from({ length: width }, (_, n) =>
      context.callActivity('work', { key: `${id}/0/${n}`, value: n }),
    );
    return (yield context.whenAll(tasks)).map(({ value }) => value);
  });
  runtime.registerWorkflowWithName(
    'generations',
    async function* (context: WorkflowContext, { number, last }: Generation): Steps<Work> {
      const key = `${context.getWorkflowInstanceId()}/${number}/0`;
      const { value } = yield context.callActivity('work', { key, value: number });
      if (number === last) return value;
      context.continueAsNew({ number: value, last }, true);
      return undefined;
    },
  );
  runtime.registerWorkflowWithName('family', async function* (context: WorkflowContext): Steps<number[]> {
    const id = context.getWorkflowInstanceId();
    return yield context.whenAll([
      context.callChildWorkflow('chain', 3, `${id}-a`),
      context.callChildWorkflow('generations', { number: 0, last: 3 }, `${id}-b`),
      context.callChildWorkflow('sleeper', 2, `${id}-c`),
    ]);
  });
  runtime.registerWorkflowWithName('sleeper', async function* (context: WorkflowContext, length: number): Steps<Work> {
    let value = 0;
    for (let step = 0; step < length; step += 1) {
      yield context.createTimer(0.03);
      ({ value } = yield context.callActivity('work', { key: `${context.getWorkflowInstanceId()}/0/${step}`, value }));
    }
    return value;
  });
  runtime.registerWorkflowWithName('collector', async function* (context: WorkflowContext): Steps<{ n: number }> {
    // An event whose raise was not acknowledged is raised again.
    const seen: number[] = [];
    while (new Set(seen).size < EVENTS) seen.push((yield context.waitForExternalEvent('n')).n);
    return { inOrder: seen.every((n, at) => n >= (seen[at - 1] ?? 0)), seen: [...new Set(seen)] };
  });
  runtime.registerWorkflowWithName('guardian', async function* (context: WorkflowContext): Steps {
    try {
      yield context.callChildWorkflow('collector', undefined, `${context.getWorkflowInstanceId()}-ward`);
      return 'the ward finished';
    } catch {
      return 'the ward was lost';
    }
  });
}

/** What the program needs of an engine that may be gone at any time: `attempt` repeats until it was acknowledged. */
export interface Access {
  attempt<T>(operation: (client: DaprWorkflowClient) => Promise<T>): Promise<T>;
}

/** Brings all workflows to their end and returns what became of each. */
export async function runWorkload(folder: string, access: Access): Promise<Record<string, string>> {
  const progress = new Progress(folder);
  const once = (step: string, operation: (client: DaprWorkflowClient) => Promise<unknown>): Promise<void> =>
    progress.once(step, () => access.attempt(operation));
  const start = (name: string, id: string, input?: unknown): Promise<void> =>
    once(`start ${id}`, async (client) => {
      if ((await client.getWorkflowState(id, false)) === undefined) await client.scheduleNewWorkflow(name, input, id);
    });
  const end = async (id: string): Promise<[string, string]> => {
    const state = await access.attempt((client) => client.waitForWorkflowCompletion(id, true, 60));
    return [id, `${state?.runtimeStatus} ${state?.serializedOutput}`];
  };
  const raise = (id: string, n: number): Promise<void> =>
    once(`raise ${id} ${n}`, (client) => client.raiseEvent(id, 'n', { n }));

  const run = async (name: string, id: string, input?: unknown): Promise<[string, string]> => {
    await start(name, id, input);
    return end(id);
  };
  const collect = async (id: string): Promise<[string, string]> => {
    await start('collector', id);
    for (let n = 0; n < EVENTS; n += 1) {
      await raise(id, n);
      await sleep(15);
    }
    return end(id);
  };
  const suspend = async (id: string): Promise<[string, string]> => {
    await start('collector', id);
    await once(`suspend ${id}`, (client) => client.suspendWorkflow(id));
    for (let n = 0; n < EVENTS; n += 1) await raise(id, n);
    await once(`resume ${id}`, (client) => client.resumeWorkflow(id));
    return end(id);
  };
  const terminate = async (id: string): Promise<[string, string]> => {
    await start('guardian', id);
    await access.attempt((client) => client.waitForWorkflowStart(`${id}-ward`, false, 60));
    await once(`terminate ${id}`, (client) => client.terminateWorkflow(`${id}-ward`, 'enough'));
    return end(id);
  };
  const purge = async (id: string): Promise<[string, string]> => {
    await progress.once(`end ${id}`, () => run('chain', id, 1));
    await once(`purge ${id}`, async (client) => {
      if ((await client.getWorkflowState(id, false)) !== undefined) await client.purgeWorkflow(id);
    });
    const state = await access.attempt((client) => client.getWorkflowState(id, false));
    return [id, state === undefined ? 'purged' : 'still there'];
  };

  const ends = [0, 1].flatMap((n) => [
    run('chain', `chain-${n}`, 10),
    run('fan-out', `fan-out-${n}`, 12),
    run('generations', `generations-${n}`, { number: 0, last: 6 }),
    run('family', `family-${n}`),
    run('sleeper', `sleeper-${n}`, 6),
    collect(`collector-${n}`),
    suspend(`suspended-${n}`),
    terminate(`guardian-${n}`),
    purge(`purged-${n}`),
  ]);
  return Object.fromEntries(await Promise.all(ends));
}

/** The steps that are known to be done. */
class Progress {
  readonly #path: string;
  readonly #done: Set<string>;

  constructor(folder: string) {
    this.#path = join(folder, 'progress.log');
    this.#done = new Set(existsSync(this.#path) ? readFileSync(this.#path, 'utf8').split('\n') : []);
  }

  async once(step: string, operation: () => Promise<unknown>): Promise<void> {
    if (this.#done.has(step)) return;
    await operation();
    this.#done.add(step);
    appendFileSync(this.#path, `${step}\n`);
  }
}
