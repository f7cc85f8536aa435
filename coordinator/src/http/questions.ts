import { MeshError } from '@daca-mesh/protocol';
import type { Caller } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { withClaimedName } from '../inbox/check-caller.ts';
import { getQuestion, listQuestions } from '../inbox/inbox.ts';
import { answerQuestion } from '../inbox/questions.ts';
import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { AnswerBody, InboxQuestion, paging, PathId, QuestionPage, QuestionStatus } from './schemas.ts';

const params = z.object({ questionId: PathId });

/** The inbox: what runs wait for a person to decide. */
export function questionRoutes({ database, inbox }: ApiServices): Route[] {
  const list = route({
    method: 'get',
    path: '/questions',
    operationId: 'listQuestions',
    summary: 'Questions, the newest first',
    query: z.strictObject({
      status: QuestionStatus.optional(),
      runId: PathId.optional(),
      assignee: PathId.optional().describe('Only those that name this person or role among who may answer'),
      mine: z.enum(['true', 'false']).optional().describe('Only those that name the caller, or a role of the caller'),
      ...paging,
    }),
    responses: { 200: { description: 'A page of questions', schema: QuestionPage } },
    errors: ['INVALID_ARGUMENT', 'AUTHENTICATION_REQUIRED'],
    handle: async ({ query: { assignee, mine, ...filter }, caller }) => {
      const names = mine === 'true' ? namesOf(inbox.identify(caller)) : undefined;
      const mayAnswer = assignee === undefined ? names : [assignee];
      return { status: 200, body: await database.read(() => listQuestions({ ...filter, mayAnswer })) };
    },
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
    description: 'A question that needs several approvals stays open until the last of them, or until one rejects it.',
    params,
    body: { schema: AnswerBody, required: true, description: 'The answer' },
    responses: { 200: { description: 'The question, with this answer or approval', schema: InboxQuestion } },
    errors: [
      'QUESTION_NOT_FOUND',
      'QUESTION_CLOSED',
      'ALREADY_APPROVED',
      'AUTHENTICATION_REQUIRED',
      'NOT_ASSIGNED',
      'ANSWER_INVALID',
      'INVALID_ARGUMENT',
    ],
    handle: async ({ params, body, caller }) => {
      const { by, ...given } = body;
      const answerer = withClaimedName(inbox.identify(caller), by);
      const question = await database.write(() => answerQuestion(inbox, params.questionId, given, answerer));
      return { status: 200, body: question };
    },
  });
  return [list, get, answer];
}

/** Under which names a caller is asked. */
function namesOf({ name, roles, authenticated }: Caller): string[] {
  if (authenticated) return [name, ...roles];
  throw new MeshError(
    'AUTHENTICATION_REQUIRED',
    'without a token nobody knows which questions are yours; use assignee',
  );
}
