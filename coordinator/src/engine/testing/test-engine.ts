import { newTaskId } from '@daca-mesh/protocol';
import { pino } from 'pino';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import type { Envelope, RaisedEvent } from '../../workflow-kit/contract.ts';
import type { Mesh } from '../../workflow-kit/mesh.ts';
import type { Step } from '../../workflow-kit/orchestration.ts';
import { type Script, ScriptedActivities } from '../../workflow-kit/testing/scripted-activities.ts';
import { defineWorkflow, type WorkflowDefinition } from '../../workflow-kit/workflow.ts';
import { createEngine, type Engine, type EngineOptions } from '../engine.ts';

/** How long tests wait for what must happen. */
export const patient = { timeout: 25_000, interval: 20 };

/** A workflow called `steps` whose output is the result of its steps. */
export const workflow = (run: (mesh: Mesh, input: unknown) => Step<unknown>, version = 1): WorkflowDefinition =>
  defineWorkflow({
    name: 'steps',
    version,
    description: 'steps',
    input: z.unknown(),
    output: z.unknown(),
    async *run(mesh, input) {
      return { result: yield* run(mesh, input) };
    },
  });

/** A question to a person, which stays open. */
export const asking = workflow((mesh) => mesh.ask({ prompt: 'go on?' }));

export const envelopeOf = (runId: string, { token }: ScriptedActivities, input: unknown = {}): Envelope => ({
  $mesh: 1,
  runId,
  generation: 0,
  token,
  input,
  seen: { below: 1, above: [] },
});

type Options = Partial<Omit<EngineOptions, 'activities'>> & Pick<EngineOptions, 'address'> & { script?: Script };

/** An engine and the scripted activities behind it. `await using` closes it. */
export class TestEngine implements AsyncDisposable {
  readonly engine: Engine;
  readonly activities: ScriptedActivities;

  constructor({ script = {}, workflows = [asking], logger = pino({ level: 'silent' }), ...options }: Options) {
    this.activities = new ScriptedActivities(script, (runId, name, event) => void this.raise(runId, name, event));
    this.engine = createEngine({ ...options, workflows, logger, activities: this.activities });
  }

  /** Resolves when the engine is connected. */
  static async connect(options: Options): Promise<TestEngine> {
    const created = new TestEngine(options);
    await created.engine.start();
    await vi.waitUntil(() => created.engine.ready(), patient);
    return created;
  }

  /** Starts a run of `steps`. */
  async run(input: unknown = {}): Promise<string> {
    const runId = newTaskId();
    this.activities.input = input;
    await this.engine.startInstance(runId, 'steps', 1, envelopeOf(runId, this.activities, input));
    return runId;
  }

  /** Raises an event again until the engine takes it, as the outbox does. */
  async raise(runId: string, name: string, event: RaisedEvent): Promise<void> {
    const once = async () => expect(await this.engine.raise(runId, name, event)).toBe('accepted');
    await vi.waitFor(once, patient);
  }

  answerFirstQuestion(): void {
    const [question] = this.activities.openQuestions;
    const questionId = question?.questionId ?? '';
    this.activities.decide(questionId, { status: 'answered', answer: { action: 'approve' }, by: 'me' });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.engine.close();
  }
}
