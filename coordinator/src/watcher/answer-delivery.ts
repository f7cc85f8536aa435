import type { Task } from '@a2a-js/sdk';
import { Answer, isMeshError } from '@daca-mesh/protocol';
import { taskQuestion } from '@daca-mesh/protocol/client';
import { all, killPoint, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import { type CallRow, query, type QuestionRow } from '../store/schema.ts';
import type { CallOutcome, Failure } from '../workflow-kit/contract.ts';
import { abandonCall } from './abandon-calls.ts';
import { graceMs } from './call-limits.ts';
import { markDelivered } from './call-questions.ts';
import { abandonedFor, keepCall, keyOf, loadCall, resumeLimits, settleCall } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import { recordTask } from './record-task.ts';
import { applyDecision } from './unknown-outcome.ts';

/**
 * Brings answers to the agents that asked. The question's row has the verdict; what is sent has a message id made from
 * the question, so an answer that is sent again counts once. Accepted and delivered are two times of the row.
 */

/** Refusals that say the question is not open there any more. */
const movedOn: ReadonlySet<string> = new Set([
  'QUESTION_CLOSED',
  'QUESTION_NOT_FOUND',
  'TASK_BUSY',
  'TASK_NOT_FOUND',
  'TASK_TERMINAL',
]);
const batch = 50;
const firstRetryMs = 200;
const maxRetryMs = 5_000;

export class AnswerDelivery {
  readonly #deps: WatcherDeps;
  readonly #signal: AbortSignal;
  readonly #underWay = new Map<string, Promise<void>>();
  /** Questions whose agent could not be reached, and when it is tried again. */
  readonly #waiting = new Map<string, { failures: number; at: number }>();

  constructor(deps: WatcherDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Starts to deliver what is due. @returns when to come again, if anything waits. */
  async pass(): Promise<number | undefined> {
    const { database } = this.#deps;
    const closed = await database.read(undelivered);
    const now = Date.now();
    for (const question of closed) {
      const id = question.question_id;
      if (this.#underWay.has(id) || (this.#waiting.get(id)?.at ?? 0) > now) continue;
      this.#underWay.set(
        id,
        this.#deliver(question).finally(() => this.#underWay.delete(id)),
      );
    }
    const times = [...this.#waiting.values()].map(({ at }) => at);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  async drain(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  async #deliver(question: QuestionRow): Promise<void> {
    const { database, logger } = this.#deps;
    const id = question.question_id;
    try {
      const row = await database.read(() => callOf(question));
      if (!row || row.state === 'settled') return;
      // A call that is given up is canceled; an answer would only set its agent going again.
      if (question.remote_question_id !== null && row.abandoned !== abandonedFor.nothing) {
        await database.write(() => markDelivered(id));
      } else if (question.remote_question_id === null || question.answer === null) {
        await database.write(() => settleWithoutAgent(this.#deps, row, question));
      } else await this.#answer(row, question, Answer.parse(JSON.parse(question.answer)));
      this.#waiting.delete(id);
    } catch (err) {
      if (this.#signal.aborted) return;
      const failures = (this.#waiting.get(id)?.failures ?? 0) + 1;
      const delayMs = Math.min(firstRetryMs * 2 ** failures, maxRetryMs);
      this.#waiting.set(id, { failures, at: Date.now() + delayMs });
      logger.warn({ err, questionId: id, runId: question.run_id }, 'an answer could not be delivered yet');
      this.#deps.signals.calls.emit();
    }
  }

  async #answer(row: CallRow, question: QuestionRow, answer: Answer): Promise<void> {
    const { database, directory } = this.#deps;
    const peer = directory.at(row.peer_url ?? '');
    if (!peer || row.task_id === null) throw new Error('the agent is not known yet');
    try {
      const task = await this.#tell(peer, row.task_id, question, answer);
      killPoint('answer-sent');
      await database.write(() => recordAnswered(this.#deps, row, question, task));
    } catch (error) {
      if (!isMeshError(error) || error.retryable || this.#signal.aborted || error.code === 'PEER_UNREACHABLE')
        throw error;
      await database.write(() => refused(this.#deps, row, question, error));
    }
  }

  /** @returns the task as the answer, or an earlier delivery of it, left it. */
  async #tell(peer: Peer, taskId: string, question: QuestionRow, answer: Answer): Promise<Task> {
    const signal = this.#signal;
    const { lingerMs } = this.#deps.settings;
    const told = { ...answer, questionId: question.remote_question_id ?? '' };
    const options = { messageId: `${question.question_id}-answer`, lingerMs, signal };
    if (peer.idempotent) return peer.client.answer(taskId, told, options);
    // Another agent would take a repeated answer for one to its next question, and an earlier process may have sent it.
    const task = await peer.client.get(taskId, { signal, historyLength: 0 });
    if (taskQuestion(task)?.id !== question.remote_question_id) return task;
    // The task names its context, but the SDK for Python, once restarted, wants to hear it.
    return peer.client.answer(taskId, told, { ...options, contextId: task.contextId });
  }
}

/** A person's decision about a call of unknown outcome, or a question that ended without an answer. */
function* settleWithoutAgent(deps: WatcherDeps, seen: CallRow, question: QuestionRow): Unit<void> {
  if (!(yield* markDelivered(question.question_id))) return;
  const row = yield* loadCall(keyOf(seen));
  if (!row || row.state === 'settled') return;
  if (question.remote_question_id === null) yield* applyDecision(deps, row, question);
  else
    yield* abandonCall(
      deps,
      row,
      question.status === 'expired' ? abandonedFor.timeLimit : abandonedFor.givenUp,
      graceMs,
    );
}

function* delivered(deps: WatcherDeps, seen: CallRow, question: QuestionRow): Unit<void> {
  yield* markDelivered(question.question_id);
  const row = yield* loadCall(keyOf(seen));
  if (row && row.state !== 'settled') yield* resumeLimits(deps, row);
}

function* recordAnswered(deps: WatcherDeps, row: CallRow, question: QuestionRow, task: Task): Unit<void> {
  yield* delivered(deps, row, question);
  yield* recordTask(deps, row, task, { raise: true });
}

/** The agent does not take the answer: either its task has moved on, which a look shows, or the call has failed. */
function* refused(
  deps: WatcherDeps,
  seen: CallRow,
  question: QuestionRow,
  error: Error & { code: string },
): Unit<void> {
  yield* delivered(deps, seen, question);
  const row = yield* loadCall(keyOf(seen));
  if (!row || row.state === 'settled') return;
  if (movedOn.has(error.code)) {
    yield* keepCall(deps, keyOf(row), { watermark: null, next_at: Date.now(), tries: 0 });
    return;
  }
  const failure: Failure = {
    code: error.code,
    message: `${row.agent ?? 'the agent'} refused the answer to its question: ${error.message}`,
    retryable: false,
  };
  const outcome: CallOutcome = { status: 'failed', failure, agent: row.agent ?? '', taskId: row.task_id ?? '' };
  yield* settleCall(deps, row, outcome, { raise: true });
}

function* callOf(question: QuestionRow): Unit<CallRow | undefined> {
  return yield* loadCall({ callId: question.call_id ?? '', attempt: question.attempt ?? 0 });
}

const selectUndelivered = statement<object, QuestionRow>(() =>
  query
    .selectFrom('questions')
    .innerJoin('calls', (join) =>
      join.onRef('calls.call_id', '=', 'questions.call_id').onRef('calls.attempt', '=', 'questions.attempt'),
    )
    .selectAll('questions')
    .where('questions.call_id', 'is not', null)
    .where('questions.delivered_at', 'is', null)
    .where('questions.status', '<>', 'open')
    .where('calls.state', '<>', 'settled')
    .orderBy('questions.closed_at')
    .limit(batch),
);

function* undelivered(): Unit<readonly QuestionRow[]> {
  return yield* all(selectUndelivered({}));
}
