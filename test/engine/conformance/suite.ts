import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DaprWorkflowClient, WorkflowRuntime } from '@dapr/dapr';
import { RawClient } from '@daca-mesh/sidecar/testing';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { backEnds, type BackEnd, type BackEndName, type Engine, type EngineOptions } from './back-ends.ts';
import type { DifferenceId } from './differences.ts';
import { rows, type RowId } from './rows.ts';

export interface SuiteOptions extends EngineOptions {
  /** Makes it a suite with a worker: the SDK's own, nothing tuned. */
  readonly register?: (runtime: WorkflowRuntime) => void;
}

/** For tests that are repeated after a crash. */
export const repeatable = { timeout: 120_000 };

/** Long enough for a machine under load; nothing waits that long when all is well. */
export const patient = { timeout: 25_000, interval: 20 };
// Longer, so that what was waited for in vain is what fails.
vi.setConfig({ testTimeout: 40_000 });

export const PENDING = 6;
export const RUNNING = 0;
export const COMPLETED = 1;
export const FAILED = 3;
export const TERMINATED = 5;
export const SUSPENDED = 7;

/** What a suite tests: one engine, which all its tests share, so each uses ids of its own. */
export class Subject implements AsyncDisposable {
  readonly backEnd: BackEndName;
  #engine: Engine | undefined;
  #client: DaprWorkflowClient | undefined;
  #raw: RawClient | undefined;
  #runtime: WorkflowRuntime | undefined;

  constructor(backEnd: BackEndName) {
    this.backEnd = backEnd;
  }

  async start(backEnd: BackEnd, { register, ...options }: SuiteOptions): Promise<void> {
    muteSdk();
    const engine = await backEnd.start(options);
    this.#engine = engine;
    this.#raw = new RawClient(engine.address, options.apiToken);
    const address = {
      daprHost: engine.host,
      daprPort: String(engine.port),
      ...(options.apiToken === undefined ? {} : { daprApiToken: options.apiToken }),
    };
    this.#client = new DaprWorkflowClient(address);
    if (register === undefined) return;
    this.#runtime = new WorkflowRuntime(address);
    register(this.#runtime);
    await this.#runtime.start();
    await engine.untilWorkers(1);
  }

  get engine(): Engine {
    return present(this.#engine);
  }

  get client(): DaprWorkflowClient {
    return present(this.#client);
  }

  get raw(): RawClient {
    return present(this.#raw);
  }

  run(name: string, input?: unknown, id: string = randomUUID()): Promise<string> {
    return this.client.scheduleNewWorkflow(name, input, id);
  }

  async finish(id: string, timeoutSeconds = 25) {
    const state = await this.client.waitForWorkflowCompletion(id, true, timeoutSeconds);
    if (state === undefined) throw new Error(`${id} is unknown`);
    const { runtimeStatus: status, serializedOutput } = state;
    const output: unknown = serializedOutput ? JSON.parse(serializedOutput) : undefined;
    return { status, output, state };
  }

  async status(id: string): Promise<number | undefined> {
    return (await this.client.getWorkflowState(id, false))?.runtimeStatus;
  }

  /** What this engine is expected to do where the two are known to differ. */
  differing(difference: DifferenceId, expected: Readonly<Record<BackEndName, unknown>>): unknown {
    if (isDeepStrictEqual(expected.embedded, expected.daprd)) throw new Error(`${difference} is no difference`);
    return expected[this.backEnd];
  }

  /**
   * For tests that raise many events at once, of which the scheduler of 1.18.2 dies now and then: again if it did. That is
   * not left to vitest, which (5.1.1) takes a condition for a retry and forgets it.
   */
  async despiteCrashes(body: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await body();
      } catch (error) {
        if (!this.engine.hadCrash()) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#raw?.[Symbol.dispose]();
    // Each of the two sleeps for a second at its end.
    await Promise.all([this.#runtime?.stop(), this.#client?.stop()]);
    await this.#engine?.[Symbol.asyncDispose]();
  }
}

/** Defines the same tests for every engine. */
export function conformance(title: string, options: SuiteOptions, define: (subject: Subject) => void): void {
  for (const backEnd of backEnds) {
    const { name, skipReason } = backEnd;
    const skipped = skipReason === undefined ? '' : ` (skipped: ${skipReason})`;
    describe.skipIf(skipReason !== undefined)(`${title} on ${name}${skipped}`, () => {
      const subject = new Subject(name);
      beforeAll(() => subject.start(backEnd, options), 60_000);
      afterAll(() => subject[Symbol.asyncDispose](), 60_000);
      define(subject);
    });
  }
}

/** The tests of one row of `rows.ts`. */
export function row(id: RowId, define: () => void): void {
  describe(`${id}: ${rows[id]}`, () => {
    define();
  });
}

/** What became of a call: its value, or the code and text of its error. */
export async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'details' in error) {
      return { code: error.code, details: error.details };
    }
    throw error;
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the suite has not started');
  return value;
}

/** The SDK writes several lines per work item to the console and offers no way to stop it. */
export function muteSdk(): void {
  for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation(() => {});
  }
}
