import { afterCommit, run, type Unit } from '@daca-mesh/protocol/server';
import { Question } from '@daca-mesh/protocol';
import { loadRun, rootOf } from '../runs/run-rows.ts';
import { query, type QuestionRow } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import { callFields, keyOf, loadCall, updateCall } from '../watcher/call-rows.ts';
import { callQuestionId } from '../watcher/call-questions.ts';
import type { WatcherDeps } from '../watcher/watcher-deps.ts';
import type { KitActivities } from '../workflow-kit/contract.ts';

/**
 * Takes a workflow's answer to its agent's question. It is stored as a question that is answered already, so that it
 * reaches the agent the way a person's answer does, and shows in the audit.
 */
export function* answerCall(deps: WatcherDeps, input: Parameters<KitActivities['answerCall']>[0]): Unit<void> {
  const row = yield* loadCall(input);
  if (row?.state !== 'open' || row.outcome === null) return;
  const owner = yield* loadRun(row.run_id);
  const asked = Question.parse(JSON.parse(row.outcome));
  const now = Date.now();
  const hasArguments = asked.arguments !== undefined;
  const question: QuestionRow = {
    question_id: callQuestionId(row, asked.id),
    run_id: row.run_id,
    root_run_id: owner ? rootOf(owner) : row.run_id,
    child_path: owner?.path ?? null,
    generation: row.generation,
    call_id: row.call_id,
    attempt: row.attempt,
    remote_question_id: asked.id,
    event: null,
    prompt: asked.prompt,
    schema: asked.schema ? JSON.stringify(asked.schema) : null,
    actions: JSON.stringify(asked.actions),
    arguments: hasArguments ? JSON.stringify(asked.arguments) : null,
    arguments_hash: asked.argumentsHash ?? null,
    path: JSON.stringify([deps.settings.name, row.agent ?? '']),
    assignee: null,
    deadline_at: null,
    on_deadline: null,
    escalation: '[]',
    escalated: 0,
    reminders: '[]',
    reminded: 0,
    may_answer: '[]',
    approvals: null,
    status: 'answered',
    answer: JSON.stringify(input.answer),
    answered_by: 'workflow',
    asked_at: now,
    closed_at: now,
    delivered_at: null,
  };
  const inserted = yield* run(
    query
      .insertInto('questions')
      .values(question)
      .onConflict((conflict) => conflict.column('question_id').doNothing())
      .compile(),
  );
  yield* updateCall(keyOf(row), { outcome: null });
  if (inserted === 0) return;
  const data = { questionId: question.question_id, ...input.answer, by: 'workflow' };
  yield* appendTimeline(deps.signals, row.run_id, { type: 'question-answered', ...callFields(row), data });
  yield* afterCommit(() => deps.signals.calls.emit());
}
