import type { Answer } from '@daca-mesh/protocol';
import { askQuestion } from './ask-question.ts';
import type { CallOptions } from './call-options.ts';
import { type AskedQuestion, type CallOutcome, type CallRequest, eventNames } from './contract.ts';
import { invoke } from './invoke.ts';
import { type OpenCall, whileOpen } from './open-work.ts';
import { type Step, untilAny } from './orchestration.ts';
import type { Place, Run } from './run.ts';
import { settleOpenWork } from './settle.ts';
import type { Undo } from './undo-list.ts';

/** How an attempt ended; questions were answered on the way. */
export type SettledOutcome = Exclude<CallOutcome, { status: 'question' }>;

export interface Attempt {
  place: Place;
  request: CallRequest;
  onQuestion: CallOptions<unknown>['onQuestion'];
  undo: Undo | undefined;
}

/** Makes one attempt of a call and waits until it is settled. */
export function makeAttempt(run: Run, attempt: Attempt): Step<SettledOutcome> {
  const { callId, attempt: number } = attempt.request;
  const { branch } = attempt.place;
  const work: OpenCall = { kind: 'call', branch, callId, attempt: number, activity: undefined, undo: attempt.undo };
  return whileOpen(run, work, sendAndWait(run, attempt, work));
}

async function* sendAndWait(run: Run, attempt: Attempt, work: OpenCall): Step<SettledOutcome> {
  const { place, request } = attempt;
  const key = `${place.path}.send-${request.attempt}`;
  const onScheduled = (activity: OpenCall['activity']): void => void (work.activity = activity);
  const sent = yield* invoke(run, 'send', key, { call: request }, { onScheduled });
  let outcome = sent.status === 'open' ? yield* nextOutcome(run, request) : sent;
  for (let questions = 0; outcome.status === 'question'; questions++) {
    yield* answerQuestion(run, attempt, outcome.question, `${place.path}.question-${request.attempt}-${questions}`);
    outcome = yield* nextOutcome(run, request);
  }
  return outcome;
}

async function* nextOutcome(run: Run, { callId, attempt }: CallRequest): Step<CallOutcome> {
  const name = eventNames.call(callId, attempt);
  for (;;) {
    const event = run.events.take(name);
    // Raised by the coordinator for exactly this attempt.
    if (event) return (await run.unpack('payload', event)) as CallOutcome;
    yield* untilAny([run.events.waiter(name)]);
  }
}

async function* answerQuestion(run: Run, attempt: Attempt, question: AskedQuestion, path: string): Step<void> {
  const { branch } = attempt.place;
  const { callId, attempt: number } = attempt.request;
  try {
    const answer = (yield* decide(attempt, question)) ?? (yield* askPerson(run, attempt.place, question, path));
    yield* invoke(run, 'answerCall', path, { callId, attempt: number, answer });
  } catch (error) {
    // Nobody will answer the agent any more. An aborted branch is settled by whoever aborted it.
    if (!branch.refusal) yield* settleOpenWork(run, [branch], path, 'its question was not answered');
    throw error;
  }
}

async function* decide({ onQuestion }: Attempt, question: AskedQuestion): Step<Answer | undefined> {
  const decision = onQuestion?.(question);
  return decision !== undefined && Symbol.asyncIterator in decision ? yield* decision : decision;
}

async function* askPerson(run: Run, { branch }: Place, question: AskedQuestion, path: string): Step<Answer> {
  const { id: _id, ...request } = question;
  const verdict = yield* askQuestion(run, { branch, path }, request);
  // Without a deadline a verdict is an answer.
  return verdict.answer ?? { action: 'reject', reason: 'no decision in time' };
}
