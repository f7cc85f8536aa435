import { Artifact, Message, type Task, type TaskState, TaskStatus, taskStateToJSON } from '@a2a-js/sdk';
import { MeshError } from '../../mesh-error.ts';
import type { Answer } from '../../question.ts';
import { isTerminal } from '../../task-states.ts';
import { all, first, run, type Unit } from '../database/unit.ts';
import { foldArtifacts, type HeadRow, toHead, toStoredEvent, toTask } from './task-rows.ts';
import { listQueries, statements } from './task-statements.ts';
import type {
  EffectKey,
  NewTask,
  Send,
  StoredEffect,
  StoredEvent,
  TaskEventBody,
  TaskFields,
  TaskHead,
  TaskPage,
  TaskQuery,
  TaskStore,
  TaskTurn,
  TaskView,
} from './task-store.ts';

/** Bounds of one task; beyond them it is refused with `RESOURCE_EXHAUSTED`. */
const maxGenerations = 100_000;
const maxMessages = 1_000;

/** The task store over Kysely-built SQL. */
export const taskStore: TaskStore = {
  recordSend,
  create,
  addMessage,
  head,
  append,
  setFields,
  turn,
  load,
  events,
  list,
  executedInState,
  nextDeadline,
  overdue,
  findEffect,
  startEffect,
  finishEffect,
  forgetEffect,
  prune,
};

function* recordSend(send: Send): Unit<string | undefined> {
  const inserted = yield* run(
    statements.insertSend({
      caller: send.caller,
      message_id: send.messageId,
      body_hash: send.bodyHash,
      task_id: send.taskId,
      at: send.atMs,
    }),
  );
  if (inserted === 1) return undefined;
  const earlier = yield* first(statements.selectSend({ caller: send.caller, message_id: send.messageId }));
  if (!earlier) throw new MeshError('INTERNAL', 'the send ledger refused a row it does not hold');
  if (earlier.body_hash !== send.bodyHash) {
    throw new MeshError('MESSAGE_ID_REUSED', 'this messageId was used before with another content', {
      details: { messageId: send.messageId },
    });
  }
  return earlier.task_id;
}

function* create(task: NewTask): Unit<TaskHead> {
  const status: TaskStatus = { state: task.state, message: undefined, timestamp: toTimestamp(task.atMs) };
  const row: HeadRow = {
    id: task.id,
    caller: task.caller,
    context_id: task.contextId,
    skill_id: task.skillId,
    detached: task.detached ? 1 : 0,
    state: taskStateToJSON(task.state),
    generation: 1,
    status: JSON.stringify(TaskStatus.toJSON(status)),
    status_at: task.atMs,
    attempts: task.attempts,
    deadline_at: task.deadlineAtMs ?? null,
    effect_key: task.effectKey,
    asked: 0,
    question: null,
  };
  yield* run(statements.insertTask({ ...row, created_at: task.atMs }));
  yield* run(statements.insertEvent({ task_id: task.id, generation: 1, kind: 'status', payload: row.status }));
  yield* run(statements.insertMessage({ task_id: task.id, seq: 1, message: toJson(task.message) }));
  return {
    id: task.id,
    caller: task.caller,
    contextId: task.contextId,
    skillId: task.skillId,
    detached: task.detached,
    state: task.state,
    generation: 1,
    status,
    statusAtMs: task.atMs,
    attempts: task.attempts,
    deadlineAtMs: task.deadlineAtMs,
    effectKey: task.effectKey,
    asked: 0,
    question: undefined,
  };
}

function* addMessage(taskId: string, message: Message): Unit<void> {
  const last = yield* first(statements.selectLastSeq({ task_id: taskId }));
  const seq = (last?.seq ?? 0) + 1;
  if (seq > maxMessages) {
    throw new MeshError('RESOURCE_EXHAUSTED', `a task takes at most ${maxMessages} messages`);
  }
  yield* run(statements.insertMessage({ task_id: taskId, seq, message: toJson(message) }));
}

function* head(taskId: string): Unit<TaskHead | undefined> {
  const row = yield* first(statements.selectHead({ id: taskId }));
  return row && toHead(row);
}

function* append(head: TaskHead, bodies: readonly TaskEventBody[], fields: TaskFields = {}): Unit<TaskHead> {
  if (isTerminal(head.state)) {
    throw new MeshError('TASK_TERMINAL', 'the task is over', { details: { taskId: head.id } });
  }
  const last = bodies.findLast((body) => body.kind === 'status');
  // A task at the bound can still end.
  if (head.generation + bodies.length > maxGenerations && !(last && isTerminal(last.status.state))) {
    throw new MeshError('RESOURCE_EXHAUSTED', `a task takes at most ${maxGenerations} events`);
  }
  const next: TaskHead = {
    ...head,
    generation: head.generation + bodies.length,
    status: last?.status ?? head.status,
    statusAtMs: last?.atMs ?? head.statusAtMs,
    state: last?.status.state ?? head.state,
    attempts: fields.attempts ?? head.attempts,
    deadlineAtMs: fields.deadlineAtMs === undefined ? head.deadlineAtMs : (fields.deadlineAtMs ?? undefined),
    question: fields.question === undefined ? head.question : (fields.question ?? undefined),
    asked: head.asked + (fields.question ? 1 : 0),
  };
  yield* updateTask(head, isTerminal(next.state) ? { ...next, deadlineAtMs: undefined, question: undefined } : next);
  for (const [index, body] of bodies.entries()) {
    const generation = head.generation + index + 1;
    yield* run(statements.insertEvent({ task_id: head.id, generation, kind: body.kind, payload: toPayload(body) }));
  }
  if (fields.skillState !== undefined || fields.answer !== undefined) yield* updateTurn(head.id, fields);
  return next;
}

function* updateTask(head: TaskHead, next: TaskHead): Unit<void> {
  const changed = yield* run(
    statements.updateTask({
      id: head.id,
      expected: head.generation,
      state: taskStateToJSON(next.state),
      generation: next.generation,
      status: JSON.stringify(TaskStatus.toJSON(next.status)),
      status_at: next.statusAtMs,
      attempts: next.attempts,
      deadline_at: next.deadlineAtMs ?? null,
      asked: next.asked,
      question: next.question ? JSON.stringify(next.question) : null,
    }),
  );
  if (changed !== 1) throw new MeshError('TASK_BUSY', 'the task has changed meanwhile', { retryable: true });
}

function* updateTurn(id: string, { skillState, answer }: TaskFields): Unit<void> {
  if (skillState !== undefined) {
    const skill_state = skillState === null ? null : (JSON.stringify(skillState.value) ?? null);
    yield* run(statements.updateSkillState({ id, skill_state }));
  }
  if (answer !== undefined) yield* run(statements.updateAnswer({ id, answer: JSON.stringify(answer) }));
}

function* setFields(taskId: string, fields: { attempts?: number }): Unit<void> {
  if (fields.attempts !== undefined) yield* run(statements.updateAttempts({ id: taskId, attempts: fields.attempts }));
}

function* turn(taskId: string): Unit<TaskTurn | undefined> {
  const state = yield* first(statements.selectTurn({ id: taskId }));
  const firstRow = yield* first(statements.selectFirstMessage({ task_id: taskId }));
  const lastRow = yield* first(statements.selectLastMessages({ task_id: taskId, limit: 1 }));
  if (!state || !firstRow || !lastRow) return undefined;
  return {
    first: toMessage(firstRow),
    last: toMessage(lastRow),
    resumed:
      state.answer === null
        ? undefined
        : {
            state: state.skill_state === null ? undefined : (JSON.parse(state.skill_state) as unknown),
            // Written by updateTurn from an Answer.
            answer: JSON.parse(state.answer) as Answer,
          },
  };
}

function* load(taskId: string, view: TaskView = {}): Unit<Task | undefined> {
  const found = yield* head(taskId);
  return found && (yield* complete(found, view));
}

function* complete(found: TaskHead, view: TaskView): Unit<Task> {
  const limit = Math.min(view.historyLength ?? maxMessages, maxMessages);
  const rows = limit === 0 ? [] : yield* all(statements.selectLastMessages({ task_id: found.id, limit }));
  const history = rows.toReversed().map(toMessage);
  const artifacts = view.artifacts === false ? [] : yield* all(statements.selectArtifacts({ task_id: found.id }));
  return toTask(found, history, foldArtifacts(artifacts.map((row) => row.payload)));
}

function* events(taskId: string, after: number, limit: number): Unit<StoredEvent[]> {
  const rows = yield* all(statements.selectEvents({ task_id: taskId, after, limit }));
  if (rows.length === 0) return [];
  const context = yield* first(statements.selectContext({ id: taskId }));
  return rows.map((row) => toStoredEvent(taskId, context?.context_id ?? '', row));
}

function* list(query: TaskQuery): Unit<TaskPage> {
  const { page, total } = listQueries(query);
  const rows = yield* all(page);
  const totalRow = yield* first(total);
  const shown = rows.slice(0, query.pageSize).map(toHead);
  const tasks: Task[] = [];
  for (const found of shown) tasks.push(yield* complete(found, query.view));
  const last = rows.length > query.pageSize ? shown.at(-1) : undefined;
  return {
    tasks,
    totalSize: Number(totalRow?.total ?? 0),
    next: last && { statusAtMs: last.statusAtMs, id: last.id },
  };
}

function* executedInState(state: TaskState, limit: number, after = ''): Unit<string[]> {
  const rows = yield* all(statements.selectExecutedInState({ state: taskStateToJSON(state), limit, after }));
  return rows.map((row) => row.id);
}

function* nextDeadline(): Unit<number | undefined> {
  return (yield* first(statements.selectNextDeadline({})))?.deadline_at ?? undefined;
}

function* overdue(nowMs: number, limit: number): Unit<string[]> {
  return (yield* all(statements.selectOverdue({ now: nowMs, limit }))).map((row) => row.id);
}

const effectRow = ({ caller, effectKey, key }: EffectKey) => ({ caller, effect_key: effectKey, key });

function* findEffect(effect: EffectKey): Unit<StoredEffect | undefined> {
  const row = yield* first(statements.selectEffect(effectRow(effect)));
  if (!row) return undefined;
  if (row.done === 0) return { done: false, taskId: row.task_id };
  return { done: true, taskId: row.task_id, result: row.result === null ? undefined : JSON.parse(row.result) };
}

function* startEffect(effect: EffectKey, taskId: string, atMs: number): Unit<void> {
  yield* run(statements.upsertIntent({ ...effectRow(effect), task_id: taskId, at: atMs }));
}

function* finishEffect(effect: EffectKey, result: unknown): Unit<void> {
  yield* run(statements.finishEffect({ ...effectRow(effect), result: JSON.stringify(result) ?? null }));
}

function* forgetEffect(effect: EffectKey): Unit<void> {
  yield* run(statements.deleteEffect(effectRow(effect)));
}

function* prune(before: { tasksMs: number; sendsMs: number }, limit: number): Unit<number> {
  const old = yield* all(statements.selectOldTasks({ before: before.tasksMs, limit }));
  for (const { id } of old) {
    yield* run(statements.deleteEvents({ task_id: id }));
    yield* run(statements.deleteMessages({ task_id: id }));
    yield* run(statements.deleteTask({ id }));
  }
  const sends = yield* run(statements.deleteOldSends({ before: before.sendsMs, limit }));
  const effects = yield* run(statements.deleteOldEffects({ before: before.sendsMs, limit }));
  return old.length + sends + effects;
}

const toTimestamp = (atMs: number): string => new Date(atMs).toISOString();
const toJson = (message: Message): string => JSON.stringify(Message.toJSON(message));
const toMessage = (row: { message: string }): Message => Message.fromJSON(JSON.parse(row.message));

function toPayload(body: TaskEventBody): string {
  if (body.kind === 'status') return JSON.stringify(TaskStatus.toJSON(body.status));
  return JSON.stringify({
    artifact: Artifact.toJSON(body.artifact),
    ...(body.append && { append: true }),
    ...(body.lastChunk && { lastChunk: true }),
  });
}
