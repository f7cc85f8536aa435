import { z } from 'zod';
import { getQuestion, listQuestions } from '../inbox/inbox.ts';
import { answerQuestion } from '../inbox/questions.ts';
import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { AnswerBody, InboxQuestion, paging, PathId, QuestionPage, QuestionStatus } from './schemas.ts';

const params = z.object({ questionId: PathId });

/** The inbox: what runs wait for a person to decide. */
export function questionRoutes({ core, database, signals }: ApiServices): Route[] {
  const list = route({
    method: 'get',
    path: '/questions',
    operationId: 'listQuestions',
    summary: 'Questions, the newest first',
    query: z.strictObject({ status: QuestionStatus.optional(), runId: PathId.optional(), ...paging }),
    responses: { 200: { description: 'A page of questions', schema: QuestionPage } },
    errors: ['INVALID_ARGUMENT'],
    handle: async ({ query }) => ({ status: 200, body: await database.read(() => listQuestions(query)) }),
  });

  const get = route({
    method: 'get',
    path: '/questions/{questionId}',
    operationId: 'getQuestion',
    summary: 'One question',
    params,
    responses: { 200: { description: 'The question', schema: InboxQuestion } },
    errors: ['QUESTION_NOT_FOUND'],
    handle: async ({ params }) => ({ status: 200, body: await database.read(() => getQuestion(params.questionId)) }),
  });

  const answer = route({
    method: 'post',
    path: '/questions/{questionId}/answer',
    operationId: 'answerQuestion',
    summary: 'Answers a question; the first answer counts',
    params,
    body: { schema: AnswerBody, required: true, description: 'The answer' },
    responses: { 200: { description: 'The question, closed by this answer', schema: InboxQuestion } },
    errors: ['QUESTION_NOT_FOUND', 'QUESTION_CLOSED', 'ANSWER_INVALID', 'INVALID_ARGUMENT'],
    handle: async ({ params, body, caller }) => {
      const { by, ...given } = body;
      // A principal cannot answer in another's name; on this machine nobody has a name until he says so.
      const answeredBy = caller === 'local' ? (by ?? caller) : caller;
      const question = await database.write(() =>
        answerQuestion({ core, signals }, params.questionId, given, answeredBy),
      );
      return { status: 200, body: question };
    },
  });
  return [list, get, answer];
}
