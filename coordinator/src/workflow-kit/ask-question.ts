import { MeshError } from '@daca-mesh/protocol';
import { eventNames, type QuestionOutcome, type QuestionRequest } from './contract.ts';
import { questionIdOf } from './identity.ts';
import { invoke } from './invoke.ts';
import { type OpenQuestion, whileOpen } from './open-work.ts';
import type { Step } from './orchestration.ts';
import { awaitVerdict } from './await-verdict.ts';
import type { Place, Run } from './run.ts';

/** A verdict on a question; a withdrawn one is an error of the step that asked. */
export type Verdict = Exclude<QuestionOutcome, { status: 'withdrawn' }>;

/** Puts a question into the inbox and waits for its row's verdict, as long as it takes. */
export async function* askQuestion(
  run: Run,
  { branch, path }: Place,
  request: Omit<QuestionRequest, 'questionId' | 'path'>,
): Step<Verdict> {
  const questionId = questionIdOf(run, path);
  const work: OpenQuestion = { kind: 'question', branch, questionId, activity: undefined };
  const outcome = yield* whileOpen(run, work, askAndWait(run, { ...request, questionId, path }, work));
  if (outcome.status !== 'withdrawn') return outcome;
  throw new MeshError('QUESTION_CLOSED', `question ${questionId} was withdrawn`, { details: { questionId } });
}

async function* askAndWait(run: Run, question: QuestionRequest, work: OpenQuestion): Step<QuestionOutcome> {
  const { path, questionId } = question;
  const onScheduled = (activity: OpenQuestion['activity']): void => void (work.activity = activity);
  const asked = yield* invoke(run, 'ask', `${path}.ask`, { question }, { onScheduled });
  if (asked.status !== 'open') return asked;
  // Raised by the coordinator for exactly this question.
  return (yield* awaitVerdict(run, eventNames.answer(questionId), question.event, path)) as QuestionOutcome;
}
