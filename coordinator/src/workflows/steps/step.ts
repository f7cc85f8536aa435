import { Answer, isMeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { CallTarget } from '../../workflow-kit/call-options.ts';
import { type Duration, toMs } from '../../workflow-kit/duration.ts';
import { findReferences } from './references.ts';

/** The most steps of a run. */
const maxSteps = 100;
const maxInputChars = 256 * 1024;
const maxTimeoutMs = 30 * 24 * 60 * 60_000;

const Timeout = z
  .union([z.int().min(1), z.string()])
  .refine(isTimeout, 'must be milliseconds or such as `30s`, `5m`, `24h`, and at most 30 days');

function isTimeout(value: number | string): boolean {
  try {
    // What it is not, toMs refuses.
    const ms = toMs(value as Duration);
    return ms >= 1 && ms <= maxTimeoutMs;
  } catch {
    return false;
  }
}

const maxDepth = 64;

/** What came as JSON. */
const Json = z
  .unknown()
  .refine((value) => value !== undefined, { error: 'is missing', abort: true })
  .refine((value) => isFlat(value, maxDepth), { error: `is nested more than ${maxDepth} deep`, abort: true });

const isFlat = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (levels > 0 && Object.values(value).every((each) => isFlat(each, levels - 1)));

const SkillId = z.string().min(1).max(200);
/** A card's name, or the URL of a card or of its origin. */
const AgentName = z.string().min(1).max(2_000).refine(hasNoPassword, 'must not hold a user name or password');

/** A run's input is shown to everybody who may see the run. */
function hasNoPassword(agent: string): boolean {
  const url = URL.parse(agent);
  return url === null || (url.username === '' && url.password === '');
}

const targetFields = { agent: AgentName.optional(), skill: SkillId.optional() };
const hasTarget = ({ agent, skill }: { agent?: string | undefined; skill?: string | undefined }): boolean =>
  agent !== undefined || skill !== undefined;
const noTarget = 'a step names an agent, a skill, or both';

/** A step as people write it. */
export const Step = z
  .strictObject({
    /** What other steps refer to it by; `step-<n>`, from 1, where it is missing. */
    id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/u)
      .optional(),
    ...targetFields,
    /** Any JSON; `{ "$from": "<id>", "pointer": "/a/b" }` stands for (a part of) the result of another step. */
    input: Json,
    /** Attempts, where a failure may pass; default 5. */
    retry: z.strictObject({ attempts: z.int().min(1).max(100) }).optional(),
    /** Time limit of one attempt; default 10 minutes. */
    timeout: Timeout.optional(),
    /**
     * What becomes of a question the agent asks: a person's (default), the failure of the step, or, for the first one, this
     * answer.
     */
    onQuestion: z
      .union([z.enum(['ask-human', 'fail']), z.strictObject({ answer: Answer.omit({ questionId: true }) })])
      .optional(),
    /** What happens when all attempts failed: the step fails (default), or a person chooses to retry, give a value, skip. */
    onExhausted: z.enum(['fail', 'ask-human']).optional(),
    /** The skill may run twice without harm. */
    repeatable: z.boolean().optional(),
    /** Whether its failure ends the run, or only leaves out the steps that need its result. */
    onFailure: z.enum(['stop', 'skip']).optional(),
    /** The call that undoes it when the run does not complete; its input may refer to this step too. */
    undo: z
      .strictObject({ ...targetFields, input: Json })
      .refine(hasTarget, noTarget)
      .optional(),
  })
  .refine(hasTarget, noTarget);

/** A step with its id, and those whose results it needs. */
export interface PlannedStep extends z.infer<typeof Step> {
  id: string;
  needs: readonly string[];
}

/** Steps that fit together: in a chain they refer to earlier ones, else to any, but not in a circle. */
export const stepsOf = (order: 'chain' | 'any') =>
  z
    .array(Step)
    .min(1)
    .max(maxSteps)
    .refine((steps) => JSON.stringify(steps).length <= maxInputChars, `must be at most ${maxInputChars} characters`)
    .superRefine((steps, context) => {
      for (const { index, path, message } of findProblems(steps, order)) {
        context.addIssue({ code: 'custom', path: [index, ...path], message });
      }
    });

/** The steps with their ids and what they need. */
export const planSteps = (steps: readonly z.infer<typeof Step>[]): PlannedStep[] =>
  steps.map((step, index) => {
    const id = idOf(step, index);
    const references = [...findReferences(step.input, 'input'), ...findReferences(step.undo?.input, 'undo.input')];
    return { ...step, id, needs: [...new Set(references.map((each) => each.step))].filter((other) => other !== id) };
  });

/** The steps in groups: each needs only results of the groups before it. */
export function inWaves(steps: readonly PlannedStep[]): PlannedStep[][] {
  const waves: PlannedStep[][] = [];
  const done = new Set<string>();
  for (let left = [...steps]; left.length > 0;) {
    const ready = left.filter(({ needs }) => needs.every((id) => done.has(id)));
    // A circle, which the schema refuses.
    if (ready.length === 0) return waves;
    for (const { id } of ready) done.add(id);
    left = left.filter((step) => !done.has(step.id));
    waves.push(ready);
  }
  return waves;
}

/** Who is called by a step. */
export function targetOf({ agent, skill }: { agent?: string | undefined; skill?: string | undefined }): CallTarget {
  if (agent === undefined) return { skill: skill ?? '' };
  const chosen = skill === undefined ? {} : { skill };
  return /^[a-z][a-z0-9+.-]*:\/\//iu.test(agent) ? { url: agent, ...chosen } : { agent, ...chosen };
}

const idOf = ({ id }: z.infer<typeof Step>, index: number): string => id ?? `step-${index + 1}`;

interface Problem {
  index: number;
  path: string[];
  message: string;
}

function findProblems(steps: readonly z.infer<typeof Step>[], order: 'chain' | 'any'): Problem[] {
  const ids = steps.map(idOf);
  const problems = steps.flatMap((step, index) => [
    ...(ids.indexOf(idOf(step, index)) < index
      ? [{ index, path: ['id'], message: `"${ids[index]}" is used twice` }]
      : []),
    ...referenceProblems(step.input, 'input', { index, ids, order, own: false }),
    ...referenceProblems(step.undo?.input, 'undo.input', { index, ids, order, own: true }),
  ]);
  if (problems.length > 0) return problems;
  const planned = planSteps(steps);
  const reachable = new Set(inWaves(planned).flat());
  const circle = planned.flatMap((step, index) => (reachable.has(step) ? [] : [{ step, index }]));
  const names = circle.map(({ step }) => step.id).join(', ');
  return circle.map(({ index }) => ({ index, path: ['input'], message: `refers in a circle: ${names}` }));
}

function referenceProblems(
  value: unknown,
  at: 'input' | 'undo.input',
  { index, ids, order, own }: { index: number; ids: readonly string[]; order: 'chain' | 'any'; own: boolean },
): Problem[] {
  const problem = (message: string): Problem => ({ index, path: at.split('.'), message });
  try {
    return findReferences(value, at).flatMap(({ at, step }) => {
      const target = ids.indexOf(step);
      if (target === -1) return [problem(`${at}: there is no step "${step}"`)];
      if (target === index && !own) return [problem(`${at}: refers to its own result`)];
      if (order === 'chain' && target > index) return [problem(`${at}: step "${step}" comes later`)];
      return [];
    });
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return [problem(error.message)];
  }
}
