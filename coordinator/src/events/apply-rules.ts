import { Answer, MeshError, newTaskId } from '@daca-mesh/protocol';
import { type CloudEvent, eventKey } from '@daca-mesh/protocol/events';
import { first, run, type Unit } from '@daca-mesh/protocol/server';
import { readQuestion } from '../inbox/question-rows.ts';
import { answerQuestion } from '../inbox/questions.ts';
import { receiveEvent } from '../runs/receive-event.ts';
import { loadRun, rootOf } from '../runs/run-rows.ts';
import { startRun } from '../runs/start-run.ts';
import type { UnitDeps } from '../runs/unit-deps.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { eventQuery } from './event-tables.ts';
import type { Rule } from './event-rules.ts';
import { fill } from './fill-template.ts';
import { findLikeRun, findRun, findStartedRun } from './find-run.ts';
import { readPointer } from './json-pointer.ts';

/** What an event led to. */
export interface EventOutcome {
  /**
   * started: a run · joined: a run that is open already has it in hand · raised: an event in a run · answered: a question ·
   * unmatched: no rule took it · refused: a rule took it and could not use it · ignored: it is the coordinator's own.
   */
  status: 'started' | 'joined' | 'raised' | 'answered' | 'unmatched' | 'refused' | 'ignored';
  rule?: string;
  runId?: string;
  questionId?: string;
  /** Why it was refused. */
  error?: { code: string; message: string };
}

export interface RuleDeps extends UnitDeps {
  rules: readonly Rule[];
  workflows: readonly WorkflowDefinition[];
}

/** Does what the first rule says that can take the event. @throws MeshError when it cannot use the event after all. */
export function* applyRules(deps: RuleDeps, event: CloudEvent, by: string): Unit<EventOutcome> {
  for (const rule of deps.rules) {
    if (!matches(rule, event)) continue;
    const outcome = yield* apply(deps, rule, event, by);
    if (outcome) return { ...outcome, rule: rule.name };
  }
  return { status: 'unmatched' };
}

function matches({ when }: Rule, event: CloudEvent): boolean {
  if (when.type !== event.type) return false;
  if (when.source !== undefined && when.source !== event.source) return false;
  if (when.subject !== undefined && when.subject !== event.subject) return false;
  return Object.entries(when.data ?? {}).every(([pointer, value]) => readPointer(event.data, pointer) === value);
}

function* apply(deps: RuleDeps, rule: Rule, event: CloudEvent, by: string): Unit<EventOutcome | undefined> {
  if (rule.start) return yield* start(deps, rule.name, rule.start, event, by);
  if (rule.raise) return yield* raise(deps, rule.raise, event, by);
  return rule.answer && (yield* answer(deps, rule.answer, event, by));
}

function* start(
  deps: RuleDeps,
  rule: string,
  { workflow, input, oncePer }: NonNullable<Rule['start']>,
  event: CloudEvent,
  by: string,
): Unit<EventOutcome> {
  const runId = newTaskId();
  const values = oncePer?.map((pointer) => readPointer(event, pointer) ?? null);
  const subject = JSON.stringify(values ?? runId);
  const filled = fill(input, event);
  const open =
    (yield* findStartedRun(rule, subject)) ?? (yield* findLikeRun(deps, { workflow, input, oncePer, filled }));
  if (open !== undefined) return { status: 'joined', runId: open };
  const hops = hopsTo(event) + 1;
  if (hops > maxHops) {
    const message = `this is the event of a run that events led to over ${maxHops} others: a loop`;
    throw new MeshError('INVALID_ARGUMENT', message, { details: { path: 'hops' } });
  }
  yield* startRun(deps, { runId, workflow, workflows: deps.workflows, input: filled, caller: by });
  yield* run(
    eventQuery
      .insertInto('rule_runs')
      .values({ rule, subject, run_id: runId, hops })
      .onConflict((conflict) => conflict.columns(['rule', 'subject']).doUpdateSet({ run_id: runId, hops }))
      .compile(),
  );
  return { status: 'started', runId };
}

/** The most runs that may lead to each other by events: beyond it is a workflow that publishes what starts it. */
const maxHops = 10;

/** How many runs led to an event; what a bus or a header brings may be text, and anything else. */
const hopsTo = (event: CloudEvent): number => Math.max(0, Math.ceil(Number(event['hops'] ?? 0) || 0));

/** How many runs led to each other by events, up to this one. */
export function* hopsOf(runId: string): Unit<number> {
  const row = yield* loadRun(runId);
  const started = eventQuery
    .selectFrom('rule_runs')
    .select('hops')
    .where('run_id', '=', row ? rootOf(row) : runId);
  return (yield* first(started.compile()))?.hops ?? 0;
}

function* raise(
  deps: RuleDeps,
  { event: name, run: wanted, payload }: NonNullable<Rule['raise']>,
  event: CloudEvent,
  by: string,
): Unit<EventOutcome | undefined> {
  const runId = yield* findRun(wanted, event);
  if (runId === undefined) return undefined;
  const value = fill(payload, event) ?? null;
  yield* receiveEvent(deps, { runId, name, payload: value, eventId: eventKey(event), by });
  return { status: 'raised', runId };
}

function* answer(
  deps: RuleDeps,
  { question: pointers, answer: place }: NonNullable<Rule['answer']>,
  event: CloudEvent,
  by: string,
): Unit<EventOutcome | undefined> {
  for (const pointer of pointers) {
    const questionId = readPointer(event, pointer);
    if (typeof questionId !== 'string' || !(yield* readQuestion(questionId))) continue;
    const given = Answer.safeParse(readPointer(event, place));
    if (!given.success) {
      throw new MeshError('ANSWER_INVALID', `the event is no answer: ${given.error.issues[0]?.message ?? ''}`);
    }
    const { runId } = yield* answerQuestion(deps, questionId, given.data, deps.identify(by));
    return { status: 'answered', runId, questionId };
  }
  return undefined;
}
