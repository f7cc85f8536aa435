import { skillSchemas } from '@daca-mesh/agent-cards';
import { makeAttempt, type SettledOutcome } from './attempt.ts';
import { backoffMs } from './backoff.ts';
import type { CallOptions, CallTarget } from './call-options.ts';
import { compensationAttempts, type Undo, type UndoAction } from './undo-list.ts';
import type { CallRequest } from './contract.ts';
import { toMs } from './duration.ts';
import { decideExhausted, type ExhaustedCall } from './exhausted.ts';
import { callError, type FailedOutcome } from './failure.ts';
import { callIdOf, effectKeyOf, messageIdOf } from './identity.ts';
import { invoke, pause } from './invoke.ts';
import type { Step } from './orchestration.ts';
import type { Place, Run } from './run.ts';
import { targetLabel } from './target-label.ts';

const defaults = { attempts: 5, timeoutMs: 10 * 60_000, noProgressMs: 5 * 60_000 };

/** Calls an agent: sends, waits, retries, and decides what a final failure means. */
export async function* call(
  run: Run,
  target: CallTarget,
  input: unknown,
  options: CallOptions<unknown>,
): Step<unknown> {
  const place = yield* run.enter();
  const undo = options.undo && registerUndo(run, place, target, options.undo);
  const attempts = options.retry?.attempts ?? (run.compensating ? compensationAttempts : defaults.attempts);
  const about = { callId: callIdOf(run, place.path), target: targetLabel(target) };
  for (let attempt = 1, tries = 1; ; attempt++, tries++) {
    const request = requestOf(run, place, target, input, options, attempt);
    if (undo) undo.skip = false;
    const outcome = checkOutput(
      yield* makeAttempt(run, { place, request, onQuestion: options.onQuestion, undo }),
      request,
    );
    if (outcome.status === 'completed') {
      if (undo) Object.assign(undo, { result: outcome.output, at: run.orchestration.now().getTime() });
      return outcome.output;
    }
    // Rejected means: not done (A2A specification, TaskState).
    if (undo) undo.skip = outcome.status === 'rejected';
    const error = callError(outcome, { ...about, attempts: attempt });
    if (tries < attempts && mayRetry(run, outcome, request)) {
      yield* waitBeforeRetry(run, place, { attempt, tries, reason: error.message });
      continue;
    }
    const exhausted: ExhaustedCall = { place, ...about, input, attempt, error, outputSchema: outputSchemaOf(target) };
    const decision = yield* decideExhausted(run, exhausted, request.onUnknown, options.onExhausted ?? 'fail');
    if (decision.choice === 'value') return decision.value;
    if (decision.choice === 'skip') return undefined;
    tries = 0;
  }
}

function requestOf(
  run: Run,
  { path }: Place,
  target: CallTarget,
  input: unknown,
  options: CallOptions<unknown>,
  attempt: number,
): CallRequest {
  const repeatable = options.repeatable ?? false;
  return {
    callId: callIdOf(run, path),
    attempt,
    messageId: messageIdOf(run, path, attempt),
    effectKey: effectKeyOf(run, path),
    path,
    target,
    input,
    timeoutMs: toMs(options.timeout ?? defaults.timeoutMs),
    noProgressMs: toMs(options.noProgress ?? defaults.noProgressMs),
    questionPolicy: options.onQuestion ? 'workflow' : 'ask-human',
    repeatable,
    onUnknown: options.onUnknown ?? (repeatable ? 'resend' : 'ask-human'),
    compensating: run.compensating,
  };
}

/** Whether another attempt is made. What undoes something is tried again whatever it said. */
function mayRetry(run: Run, { status, failure }: FailedOutcome, { onUnknown, repeatable }: CallRequest): boolean {
  if (failure.code === 'OUTCOME_UNKNOWN') return onUnknown === 'resend';
  if (run.compensating) return true;
  return status !== 'rejected' && (failure.retryable || (status === 'timed-out' && repeatable));
}

/** @param failed.tries How many have failed since the call began, or since a person had it tried again. */
async function* waitBeforeRetry(
  run: Run,
  { path }: Place,
  { attempt, tries, reason }: { attempt: number; tries: number; reason: string },
): Step<void> {
  const delayMs = backoffMs(run, path, tries);
  const data = { callId: callIdOf(run, path), attempt: attempt + 1, delayMs, reason };
  yield* invoke(run, 'note', `${path}.retry-${attempt}`, { entry: { type: 'retry-scheduled', data } });
  if (!run.retracing) yield* pause(run, delayMs);
}

function registerUndo(
  run: Run,
  { branch, path }: Place,
  target: CallTarget,
  undoCall: NonNullable<CallOptions<unknown>['undo']>,
): Undo {
  const undo: Undo = {
    branch,
    label: `${targetLabel(target)} at ${path}`,
    skip: false,
    result: undefined,
    action: (result) => undoingCall(undoCall, result),
  };
  run.undos.push(undo);
  return undo;
}

/** The call that undoes something, as data. */
export function undoingCall(undo: NonNullable<CallOptions<unknown>['undo']>, result: unknown): UndoAction | undefined {
  const input = undo.input(result);
  return input === undefined ? undefined : { call: { target: undo.target, input } };
}

function checkOutput(outcome: SettledOutcome, { target }: CallRequest): SettledOutcome {
  const schema = outcome.status === 'completed' ? outputSchemaOf(target) : undefined;
  if (outcome.status !== 'completed' || !schema) return outcome;
  const parsed = schema.safeParse(outcome.output);
  if (parsed.success) return { ...outcome, output: parsed.data };
  const { agent, taskId } = outcome;
  const details = { issues: parsed.error.issues };
  const failure = { code: 'INVALID_OUTPUT', message: 'the result does not fit its schema', retryable: false, details };
  return { status: 'failed', failure, agent, taskId };
}

function outputSchemaOf(target: CallTarget): ExhaustedCall['outputSchema'] {
  const { skill } = target;
  // What a skill of that id is to an agent outside the mesh, only that agent knows.
  if ('url' in target) return undefined;
  // Guarded by hasOwn.
  return skill !== undefined && Object.hasOwn(skillSchemas, skill)
    ? skillSchemas[skill as keyof typeof skillSchemas].output
    : undefined;
}
