import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowActivityContext, WorkflowContext, WorkflowRuntime } from '@dapr/dapr';

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;

/** An ordinary SDK program, as its documentation teaches to write one. */
export function register(runtime: WorkflowRuntime): void {
  registerActivities(runtime);
  registerSteps(runtime);
  registerFamilies(runtime);
  registerGenerations(runtime);
}

function registerActivities(runtime: WorkflowRuntime): void {
  runtime.registerActivityWithName('increment', (_context: WorkflowActivityContext, value: number) => value + 1);
  runtime.registerActivityWithName('slow', async (_context: WorkflowActivityContext, value: number) => {
    await sleep(100);
    return value;
  });
  runtime.registerActivityWithName('fail', () => {
    throw new TypeError('broken on purpose');
  });
  runtime.registerActivityWithName('large', (_context: WorkflowActivityContext, { bytes }: { bytes: number }) =>
    'x'.repeat(bytes),
  );
}

function registerSteps(runtime: WorkflowRuntime): void {
  runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, value: number): Steps<number> {
    let current = value;
    for (let step = 0; step < 3; step += 1) current = yield context.callActivity('increment', current);
    return current;
  });
  runtime.registerWorkflowWithName('fan-out', async function* (context: WorkflowContext, count: number): Steps<
    number[]
  > {
    const tasks = Array.from({ length: count }, (_, index) => context.callActivity('slow', index + 1));
    return yield context.whenAll(tasks);
  });
  runtime.registerWorkflowWithName('clock', async function* (context: WorkflowContext): Steps {
    const first = context.getCurrentUtcDateTime().getTime();
    yield context.callActivity('slow', 1);
    const second = context.getCurrentUtcDateTime().getTime();
    yield context.callActivity('slow', 1);
    return [first, second, context.getCurrentUtcDateTime().getTime()];
  });
  runtime.registerWorkflowWithName('timer', async function* (context: WorkflowContext, seconds: number): Steps {
    const before = context.getCurrentUtcDateTime().getTime();
    yield context.createTimer(seconds);
    return context.getCurrentUtcDateTime().getTime() - before;
  });
  runtime.registerWorkflowWithName('past-timer', async function* (context: WorkflowContext): Steps {
    yield context.createTimer(new Date(context.getCurrentUtcDateTime().getTime() - 60_000));
    return 'fired';
  });
  runtime.registerWorkflowWithName('collect', async function* (context: WorkflowContext, count: number): Steps {
    const seen: unknown[] = [];
    context.setCustomStatus('collecting');
    while (seen.length < count) seen.push(yield context.waitForExternalEvent('Item'));
    return seen;
  });
  runtime.registerWorkflowWithName('late-collect', async function* (context: WorkflowContext, count: number): Steps {
    yield context.callActivity('slow', 1);
    const seen: unknown[] = [];
    while (seen.length < count) seen.push(yield context.waitForExternalEvent('item'));
    return seen;
  });
  runtime.registerWorkflowWithName('event-or-hour', async function* (context: WorkflowContext): Steps {
    yield context.whenAny([context.waitForExternalEvent('item'), context.createTimer(3600)]);
    return 'done';
  });
  runtime.registerWorkflowWithName('failing', async function* (context: WorkflowContext): Steps {
    return yield context.callActivity('fail');
  });
  runtime.registerWorkflowWithName(
    'large-result',
    async function* (context: WorkflowContext, { bytes }: { bytes: number }): Steps<string> {
      return (yield context.callActivity('large', { bytes })).length;
    },
  );
  runtime.registerWorkflowWithName(
    'hoard',
    async function* (context: WorkflowContext, { count, bytes }: { count: number; bytes: number }): Steps<string> {
      let total = 0;
      for (let step = 0; step < count; step += 1) total += (yield context.callActivity('large', { bytes })).length;
      return total;
    },
  );
  runtime.registerWorkflowWithName('statuses', async function* (context: WorkflowContext): Steps {
    context.setCustomStatus('first');
    yield context.waitForExternalEvent('item');
    context.setCustomStatus('second');
    context.setCustomStatus('third');
    yield context.waitForExternalEvent('item');
    return 'done';
  });
}

function registerFamilies(runtime: WorkflowRuntime): void {
  runtime.registerWorkflowWithName('parent', async function* (context: WorkflowContext, value: number): Steps {
    return { result: yield context.callChildWorkflow('chain', value) };
  });
  runtime.registerWorkflowWithName('parent-of', async function* (context: WorkflowContext, name: string): Steps {
    try {
      return yield context.callChildWorkflow(name, 1, `${context.getWorkflowInstanceId()}-child`);
    } catch (error) {
      return error instanceof Error ? error.message : 'no error';
    }
  });
  runtime.registerWorkflowWithName('grandparent', async function* (context: WorkflowContext): Steps {
    return yield context.callChildWorkflow('parent-of', 'collect', `${context.getWorkflowInstanceId()}-child`);
  });
  runtime.registerWorkflowWithName('parent-of-counter', async function* (context: WorkflowContext): Steps {
    return yield context.callChildWorkflow('counter', 1);
  });
  runtime.registerWorkflowWithName(
    'family-by-default-ids',
    async function* (context: WorkflowContext, generation: number): Steps {
      // The child has the default id, which is the same in every generation.
      const child = context.callChildWorkflow('collect', 1);
      if (generation === 1) {
        yield context.waitForExternalEvent('again');
        context.continueAsNew(2, false);
        return undefined;
      }
      try {
        return yield child;
      } catch (error) {
        return error instanceof Error ? error.message : 'no error';
      }
    },
  );
}

function registerGenerations(runtime: WorkflowRuntime): void {
  runtime.registerWorkflowWithName('counter', async function* (context: WorkflowContext, count: number): Steps<number> {
    if (count === 1) context.setCustomStatus('set by the first');
    const next = yield context.callActivity('increment', count);
    if (next >= 8) return next;
    context.continueAsNew(next, true);
    return undefined;
  });
  runtime.registerWorkflowWithName('tight-loop', async function* (context: WorkflowContext, count: number): Steps {
    yield context.createTimer(new Date(context.getCurrentUtcDateTime().getTime() - 1));
    if (count >= 50) return count;
    context.continueAsNew(count + 1, true);
    return undefined;
  });
  runtime.registerWorkflowWithName(
    'generations',
    async function* (context: WorkflowContext, state: { seen: number[]; until: number }): Steps<{ n: number }> {
      const { n } = yield context.waitForExternalEvent('n');
      const seen = [...state.seen, n];
      // Keeps a turn open while further events arrive.
      await sleep(2);
      if (seen.length >= state.until) return seen;
      context.continueAsNew({ ...state, seen }, true);
      return undefined;
    },
  );
  runtime.registerWorkflowWithName(
    'stale-timer',
    async function* (context: WorkflowContext, generation: number): Steps {
      // Both timers have id 1: that of the first generation must not wake the second.
      const timer = context.createTimer(generation === 1 ? 0.3 : 1);
      const before = context.getCurrentUtcDateTime().getTime();
      if (generation === 1) {
        yield context.callActivity('increment', 1);
        context.continueAsNew(2, false);
        return undefined;
      }
      yield timer;
      return context.getCurrentUtcDateTime().getTime() - before;
    },
  );
}
