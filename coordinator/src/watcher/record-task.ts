import { type Task, TaskState } from '@a2a-js/sdk';
import { isInterrupted, isTerminal, type Question, textOf } from '@daca-mesh/protocol';
import { taskError, taskQuestion, taskResult } from '@daca-mesh/protocol/client';
import { afterCommit, type Unit } from '@daca-mesh/protocol/server';
import { raiseEvent } from '../outbox/raise.ts';
import type { CallRow } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import { type CallOutcome, eventNames, type Failure } from '../workflow-kit/contract.ts';
import { isLimited, settleLimited } from './call-limits.ts';
import { askedQuestion, askPerson } from './call-questions.ts';
import {
  abandonedFor,
  callFields,
  keepCall,
  keyOf,
  loadCall,
  never,
  optionsOf,
  outcomeOf,
  pauseLimits,
  settleCall,
  updateCall,
} from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';

/**
 * What a task seen at an agent means for its call, whoever saw it: the reply to a send, a list, a stream or a look. What
 * was seen before changes nothing. Results are read from artifacts, questions from the status message.
 */

type Recorded = CallOutcome | { status: 'open' };

export interface RecordOptions {
  /** Whether the workflow hears of an outcome by an event; `send` returns it instead. */
  raise: boolean;
}

/** Records a task as it stands, in one commit with everything that follows from it. */
export function* recordTask(deps: WatcherDeps, seen: CallRow, task: Task, options: RecordOptions): Unit<Recorded> {
  const row = yield* loadCall(keyOf(seen));
  if (!row) return { status: 'open' };
  if (row.state === 'settled') return outcomeOf(row);
  const state = task.status?.state ?? TaskState.TASK_STATE_UNSPECIFIED;
  if (isTerminal(state)) return yield* recordEnd(deps, { ...row, task_id: task.id }, task, options);
  if (isInterrupted(state) && row.abandoned === abandonedFor.nothing) {
    return yield* recordQuestion(deps, row, task, options);
  }
  yield* recordProgress(deps, row, task);
  return { status: 'open' };
}

function* recordEnd(deps: WatcherDeps, row: CallRow, task: Task, options: RecordOptions): Unit<CallOutcome> {
  const outcome = toOutcome(deps, row, task);
  if (outcome.status !== 'completed' && isLimited(row)) return yield* settleLimited(deps, row);
  return yield* settleCall(deps, row, outcome, options);
}

function* recordProgress(deps: WatcherDeps, row: CallRow, task: Task): Unit<void> {
  const now = Date.now();
  const watermark = watermarkOf(task);
  const isNew = watermark !== row.watermark;
  const kept = yield* keepCall(deps, keyOf(row), {
    state: 'open',
    task_id: task.id,
    watermark,
    ...(isNew ? { progressed_at: now } : {}),
    ...nextLook(deps, row, isNew ? 0 : row.tries),
  });
  if (kept && row.state !== 'open') yield* announceOpen(deps, kept);
  const text = textOf(task.status?.message?.parts);
  if (!isNew || text === '') return;
  yield* appendTimeline(deps.signals, row.run_id, {
    type: 'call-progress',
    ...callFields({ ...row, task_id: task.id }),
    data: { text },
  });
}

function* announceOpen(deps: WatcherDeps, row: CallRow): Unit<void> {
  yield* afterCommit(() => deps.onOpen?.(row));
}

/** When an open call is looked at by itself: rarely where the peer's list of tasks is watched anyway. */
export function nextLook(deps: WatcherDeps, row: CallRow, tries: number): { next_at: number; tries: number } {
  // A peer that is away is not asked for each of its calls; when it is back, what waits for it is due.
  const listed = deps.directory.at(row.peer_url ?? '')?.canList ?? false;
  if (row.abandoned === abandonedFor.nothing && !deps.settings.polling) return { next_at: never, tries };
  const delays = listed && row.abandoned === abandonedFor.nothing ? listedLooksMs : looksMs;
  const delayMs = delays[Math.min(tries, delays.length - 1)] ?? 0;
  return { next_at: Date.now() + delayMs, tries: tries + 1 };
}

const listedLooksMs = [2_000, 30_000, 300_000];
const looksMs = [200, 400, 800, 1_600, 3_200, 5_000];

function* recordQuestion(deps: WatcherDeps, row: CallRow, task: Task, options: RecordOptions): Unit<Recorded> {
  const question = taskQuestion(task);
  if (!question) return { status: 'open' };
  const watermark = questionMark(question.id);
  const isNew = watermark !== row.watermark;
  const kept = yield* keepCall(deps, keyOf(row), {
    state: 'open',
    task_id: task.id,
    watermark,
    ...(isNew ? { progressed_at: Date.now() } : {}),
    // A question is open as long as it takes; what its agent does meanwhile shows in the list, or in a rare look.
    ...nextLook(deps, row, isNew ? 1 : Math.max(row.tries, 1)),
  });
  if (kept && row.state !== 'open') yield* announceOpen(deps, kept);
  if (!kept || !isNew) return { status: 'open' };
  yield* pauseLimits(kept);
  if (optionsOf(row).questionPolicy === 'ask-human') {
    yield* askPerson(deps, kept, question);
    return { status: 'open' };
  }
  const outcome = questionOutcome(kept, question);
  yield* updateCall(keyOf(row), { outcome: JSON.stringify(question) });
  if (options.raise) yield* raiseEvent(deps.signals, row.run_id, eventNames.call(row.call_id, row.attempt), outcome);
  return outcome;
}

/** An agent's question as the workflow gets it, where it answers itself. */
export const questionOutcome = (row: CallRow, question: Question): CallOutcome => ({
  status: 'question',
  question: askedQuestion(row, question),
  agent: row.agent ?? '',
  taskId: row.task_id ?? '',
});

function toOutcome(deps: WatcherDeps, row: CallRow, task: Task): CallOutcome {
  const about = { agent: row.agent ?? '', taskId: task.id };
  const error = taskError(task);
  if (!error) return { ...about, ...checkedOutput(deps, row, taskResult(task)) };
  const own = error.details?.['code'];
  const failure: Failure = {
    code: typeof own === 'string' ? own : error.code,
    message: error.message,
    retryable: error.retryable,
    details: { agent: about.agent, taskId: task.id },
  };
  if (error.code === 'CANCELED') return { ...about, status: 'canceled', failure };
  return { ...about, status: error.code === 'PEER_REJECTED' ? 'rejected' : 'failed', failure };
}

function checkedOutput(
  deps: WatcherDeps,
  row: CallRow,
  output: unknown,
): { status: 'completed'; output: unknown } | { status: 'failed'; failure: Failure } {
  // What a skill of that id is to an agent outside the mesh, only that agent knows.
  const skill = 'url' in optionsOf(row).target ? null : row.skill;
  const parsed = skill === null ? undefined : deps.outputSchema(skill)?.safeParse(output);
  if (!parsed || parsed.success) return { status: 'completed', output: parsed ? parsed.data : (output ?? null) };
  const message = `what ${row.agent ?? 'the agent'} returned does not fit the skill ${row.skill ?? ''}: ${parsed.error.message}`;
  return { status: 'failed', failure: { code: 'INVALID_OUTPUT', message, retryable: false } };
}

/** The watermark of a call whose agent asks. */
export const questionMark = (questionId: string | undefined): string => `question ${questionId ?? ''}`;

/** What tells one sight of a task from the next. */
export const watermarkOf = (task: Task): string => {
  const { status } = task;
  const at = status?.timestamp ?? '';
  return `${at} ${status?.state ?? ''} ${status?.message?.messageId ?? ''}`;
};
