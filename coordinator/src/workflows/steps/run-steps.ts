import { type Answer, isMeshError, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { CallOptions } from '../../workflow-kit/call-options.ts';
import type { AskedQuestion } from '../../workflow-kit/contract.ts';
import type { Duration } from '../../workflow-kit/duration.ts';
import type { Mesh } from '../../workflow-kit/mesh.ts';
import type { Step as KitStep } from '../../workflow-kit/orchestration.ts';
import { findReferences, resolveReferences } from './references.ts';
import { inWaves, type PlannedStep, planSteps, type Step, targetOf } from './step.ts';

/** What became of a step. */
export const StepResult = z.strictObject({
  id: z.string(),
  /** `skipped`: a step it needs the result of has none, or a person chose so. */
  status: z.enum(['completed', 'failed', 'skipped']),
  output: z.unknown().optional(),
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
});
export type StepResult = z.infer<typeof StepResult>;

interface StepsOptions {
  /** `chain`: one after the other. `any`: each as soon as what it needs is there. */
  order: 'chain' | 'any';
  /** How many steps are under way at a time. */
  limit: number;
  onFailure: 'stop' | 'skip';
}

/**
 * Runs steps that are data. Agents, skills and inputs are checked before anything is sent; then each step is one call.
 * @throws MeshError `INVALID_ARGUMENT` where the steps cannot be run, and the error of a step whose failure ends the run.
 */
export async function* runSteps(
  mesh: Mesh,
  given: readonly z.infer<typeof Step>[],
  { order, limit, onFailure }: StepsOptions,
): KitStep<StepResult[]> {
  const steps = planSteps(given);
  yield* mesh.activity('check-steps', {
    steps: steps.map(({ id, agent, skill, input, undo }) => ({
      id,
      target: targetOf({ agent, skill }),
      ...(findReferences(input, 'input').length === 0 ? { input } : {}),
      ...(undo ? { undo: targetOf(undo) } : {}),
    })),
  });
  const outputs = new Map<string, unknown>();
  const results = new Map<string, StepResult>();
  for (const wave of order === 'chain' ? steps.map((step) => [step]) : inWaves(steps)) {
    const ended = yield* mesh.all(
      wave.map((step) => runStep(mesh, step, outputs, step.onFailure ?? onFailure)),
      { limit },
    );
    for (const result of ended) {
      results.set(result.id, result);
      if (result.status === 'completed') outputs.set(result.id, result.output);
    }
  }
  return steps.flatMap(({ id }) => results.get(id) ?? []);
}

async function* runStep(
  mesh: Mesh,
  step: PlannedStep,
  outputs: ReadonlyMap<string, unknown>,
  onFailure: 'stop' | 'skip',
): KitStep<StepResult> {
  const { id } = step;
  const missing = step.needs.find((other) => !outputs.has(other));
  if (missing !== undefined) {
    return { id, status: 'skipped', error: { code: 'CANCELED', message: `step "${missing}" has no result` } };
  }
  try {
    const input = resolveReferences(step.input, 'input', outputs);
    const output = yield* mesh.call(targetOf(step), input, callOptions(step, outputs));
    return output === undefined ? { id, status: 'skipped' } : { id, status: 'completed', output };
  } catch (error) {
    // A cancel of the run, and what is no failure of the step, is nothing to go on from.
    if (!isMeshError(error) || error.code === 'CANCELED') throw error;
    if (onFailure === 'stop') throw stepError(id, error);
    return { id, status: 'failed', error: { code: error.code, message: error.message } };
  }
}

const stepError = (id: string, { code, message, retryable, details }: MeshError): MeshError =>
  new MeshError(code, `step "${id}": ${message}`, { retryable, details: { ...details, step: id } });

function callOptions(step: PlannedStep, outputs: ReadonlyMap<string, unknown>): CallOptions<unknown> {
  const { retry, timeout, onQuestion, onExhausted, repeatable, undo } = step;
  return {
    ...(retry ? { retry } : {}),
    // The schema takes nothing else.
    ...(timeout === undefined ? {} : { timeout: timeout as Duration }),
    ...(onExhausted ? { onExhausted } : {}),
    ...(repeatable === undefined ? {} : { repeatable }),
    ...questionPolicy(onQuestion),
    ...(undo ? { undo: undoOf(step.id, undo, outputs) } : {}),
  };
}

function questionPolicy(policy: PlannedStep['onQuestion']): Pick<CallOptions<unknown>, 'onQuestion'> {
  if (policy === undefined || policy === 'ask-human') return {};
  if (policy === 'fail') {
    return {
      onQuestion: ({ prompt }) => {
        throw new MeshError('PEER_FAILED', `the agent asks: ${prompt.slice(0, 500)}`, {
          details: { question: prompt },
        });
      },
    };
  }
  let isGiven = false;
  return {
    onQuestion: ({ actions }: AskedQuestion): Answer | undefined => {
      // Asked again, the answer was not the right one, or it was another question: a person's.
      if (isGiven || !actions.includes(policy.answer.action)) return undefined;
      isGiven = true;
      return policy.answer;
    },
  };
}

function undoOf(
  id: string,
  undo: NonNullable<PlannedStep['undo']>,
  outputs: ReadonlyMap<string, unknown>,
): NonNullable<CallOptions<unknown>['undo']> {
  const needsOwn = findReferences(undo.input, 'undo.input').some(({ step }) => step === id);
  return {
    // Whether the input fits is checked by the agent: the types of a skill are not known here.
    target: targetOf(undo) as { agent: string },
    input: (result) => {
      // Not known to have been done: without its result nobody could say what to undo.
      if (needsOwn && result === undefined) return undefined;
      return resolveReferences(undo.input, 'undo.input', new Map([...outputs, [id, result]]));
    },
  };
}
