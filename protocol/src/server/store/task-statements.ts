import { type CompiledQuery, type Selectable, sql } from 'kysely';
import { TaskState, taskStateToJSON } from '@a2a-js/sdk';
import { sqliteQueryBuilder, statement } from '../database/statement.ts';
import { type HeadRow, headColumns } from './task-rows.ts';
import type { TaskQuery } from './task-store.ts';
import type { TaskTables } from './task-tables.ts';

const db = sqliteQueryBuilder<TaskTables>();
const terminalStates = [
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
].map(taskStateToJSON);

type Row<Table extends keyof TaskTables> = Selectable<TaskTables[Table]>;
type Effect = Pick<Row<'effects'>, 'caller' | 'effect_key' | 'key'>;

/** Every statement of the task store with a fixed text. */
export const statements = {
  insertSend: statement<Row<'sends'>, unknown>((value) =>
    db
      .insertInto('sends')
      .values({
        caller: value('caller'),
        message_id: value('message_id'),
        body_hash: value('body_hash'),
        task_id: value('task_id'),
        at: value('at'),
      })
      .onConflict((conflict) => conflict.doNothing()),
  ),
  selectSend: statement<Pick<Row<'sends'>, 'caller' | 'message_id'>, Pick<Row<'sends'>, 'body_hash' | 'task_id'>>(
    (value) =>
      db
        .selectFrom('sends')
        .select(['body_hash', 'task_id'])
        .where('caller', '=', value('caller'))
        .where('message_id', '=', value('message_id')),
  ),
  insertTask: statement<HeadRow & { created_at: number }, unknown>((value) =>
    db.insertInto('tasks').values({
      id: value('id'),
      caller: value('caller'),
      context_id: value('context_id'),
      skill_id: value('skill_id'),
      detached: value('detached'),
      state: value('state'),
      generation: value('generation'),
      status: value('status'),
      status_at: value('status_at'),
      created_at: value('created_at'),
      attempts: value('attempts'),
      deadline_at: value('deadline_at'),
      effect_key: value('effect_key'),
      asked: value('asked'),
      question: value('question'),
      skill_state: null,
      answer: null,
    }),
  ),
  insertEvent: statement<Row<'task_events'>, unknown>((value) =>
    db.insertInto('task_events').values({
      task_id: value('task_id'),
      generation: value('generation'),
      kind: value('kind'),
      payload: value('payload'),
    }),
  ),
  insertMessage: statement<Row<'task_messages'>, unknown>((value) =>
    db.insertInto('task_messages').values({
      task_id: value('task_id'),
      seq: value('seq'),
      message: value('message'),
    }),
  ),
  selectHead: statement<{ id: string }, HeadRow>((value) =>
    db.selectFrom('tasks').select(headColumns).where('id', '=', value('id')),
  ),
  selectContext: statement<{ id: string }, { context_id: string }>((value) =>
    db.selectFrom('tasks').select('context_id').where('id', '=', value('id')),
  ),
  updateTask: statement<
    Pick<
      Row<'tasks'>,
      'id' | 'state' | 'generation' | 'status' | 'status_at' | 'attempts' | 'deadline_at' | 'asked' | 'question'
    > & { expected: number },
    unknown
  >((value) =>
    db
      .updateTable('tasks')
      .set({
        state: value('state'),
        generation: value('generation'),
        status: value('status'),
        status_at: value('status_at'),
        attempts: value('attempts'),
        deadline_at: value('deadline_at'),
        asked: value('asked'),
        question: value('question'),
      })
      .where('id', '=', value('id'))
      .where('generation', '=', value('expected')),
  ),
  updateSkillState: statement<Pick<Row<'tasks'>, 'id' | 'skill_state'>, unknown>((value) =>
    db
      .updateTable('tasks')
      .set({ skill_state: value('skill_state') })
      .where('id', '=', value('id')),
  ),
  updateAnswer: statement<Pick<Row<'tasks'>, 'id' | 'answer'>, unknown>((value) =>
    db
      .updateTable('tasks')
      .set({ answer: value('answer') })
      .where('id', '=', value('id')),
  ),
  updateAttempts: statement<Pick<Row<'tasks'>, 'id' | 'attempts'>, unknown>((value) =>
    db
      .updateTable('tasks')
      .set({ attempts: value('attempts') })
      .where('id', '=', value('id')),
  ),
  selectTurn: statement<{ id: string }, Pick<Row<'tasks'>, 'skill_state' | 'answer'>>((value) =>
    db.selectFrom('tasks').select(['skill_state', 'answer']).where('id', '=', value('id')),
  ),
  selectFirstMessage: statement<{ task_id: string }, { message: string }>((value) =>
    db.selectFrom('task_messages').select('message').where('task_id', '=', value('task_id')).orderBy('seq').limit(1),
  ),
  selectLastMessages: statement<{ task_id: string; limit: number }, { message: string }>((value) =>
    db
      .selectFrom('task_messages')
      .select('message')
      .where('task_id', '=', value('task_id'))
      .orderBy('seq', 'desc')
      .limit(value('limit')),
  ),
  selectLastSeq: statement<{ task_id: string }, { seq: number }>((value) =>
    db
      .selectFrom('task_messages')
      .select('seq')
      .where('task_id', '=', value('task_id'))
      .orderBy('seq', 'desc')
      .limit(1),
  ),
  selectArtifacts: statement<{ task_id: string }, { payload: string }>((value) =>
    db
      .selectFrom('task_events')
      .select('payload')
      .where('task_id', '=', value('task_id'))
      .where('kind', '=', 'artifact')
      .orderBy('generation'),
  ),
  selectEvents: statement<{ task_id: string; after: number; limit: number }, Row<'task_events'>>((value) =>
    db
      .selectFrom('task_events')
      .select(['task_id', 'generation', 'kind', 'payload'])
      .where('task_id', '=', value('task_id'))
      .where('generation', '>', value('after'))
      .orderBy('generation')
      .limit(value('limit')),
  ),
  selectExecutedInState: statement<{ state: string; after: string; limit: number }, { id: string }>((value) =>
    db
      .selectFrom('tasks')
      .select('id')
      // The literal terms of the partial index `tasks_open`, so that SQLite can use it.
      .where('detached', '=', sql.lit(0))
      .where('state', 'in', [sql.lit('TASK_STATE_SUBMITTED'), sql.lit('TASK_STATE_WORKING')])
      .where('state', '=', value('state'))
      .where('id', '>', value('after'))
      .orderBy('id')
      .limit(value('limit')),
  ),
  selectNextDeadline: statement<object, { deadline_at: number | null }>(() =>
    db.selectFrom('tasks').select('deadline_at').where('deadline_at', 'is not', null).orderBy('deadline_at').limit(1),
  ),
  selectOverdue: statement<{ now: number; limit: number }, { id: string }>((value) =>
    db
      .selectFrom('tasks')
      .select('id')
      .where('deadline_at', '<=', value('now'))
      .orderBy('deadline_at')
      .limit(value('limit')),
  ),
  selectEffect: statement<Effect, Pick<Row<'effects'>, 'task_id' | 'done' | 'result'>>((value) =>
    db
      .selectFrom('effects')
      .select(['task_id', 'done', 'result'])
      .where('caller', '=', value('caller'))
      .where('effect_key', '=', value('effect_key'))
      .where('key', '=', value('key')),
  ),
  upsertIntent: statement<Effect & Pick<Row<'effects'>, 'task_id' | 'at'>, unknown>((value) =>
    db
      .insertInto('effects')
      .values({
        caller: value('caller'),
        effect_key: value('effect_key'),
        key: value('key'),
        task_id: value('task_id'),
        done: 0,
        result: null,
        at: value('at'),
      })
      .onConflict((conflict) =>
        conflict.columns(['caller', 'effect_key', 'key']).doUpdateSet({ task_id: value('task_id'), at: value('at') }),
      ),
  ),
  finishEffect: statement<Effect & Pick<Row<'effects'>, 'result'>, unknown>((value) =>
    db
      .updateTable('effects')
      .set({ done: 1, result: value('result') })
      .where('caller', '=', value('caller'))
      .where('effect_key', '=', value('effect_key'))
      .where('key', '=', value('key')),
  ),
  deleteEffect: statement<Effect, unknown>((value) =>
    db
      .deleteFrom('effects')
      .where('caller', '=', value('caller'))
      .where('effect_key', '=', value('effect_key'))
      .where('key', '=', value('key'))
      .where('done', '=', 0),
  ),
  selectOldTasks: statement<{ before: number; limit: number }, { id: string }>((value) =>
    db
      .selectFrom('tasks')
      .select('id')
      .where('state', 'in', terminalStates)
      .where('status_at', '<', value('before'))
      // Implied by the time of the status, and what there is an index for.
      .where('created_at', '<', value('before'))
      .limit(value('limit')),
  ),
  deleteEvents: statement<{ task_id: string }, unknown>((value) =>
    db.deleteFrom('task_events').where('task_id', '=', value('task_id')),
  ),
  deleteMessages: statement<{ task_id: string }, unknown>((value) =>
    db.deleteFrom('task_messages').where('task_id', '=', value('task_id')),
  ),
  deleteTask: statement<{ id: string }, unknown>((value) => db.deleteFrom('tasks').where('id', '=', value('id'))),
  deleteOldSends: statement<{ before: number; limit: number }, unknown>((value) =>
    db
      .deleteFrom('sends')
      .where((eb) =>
        eb(
          eb.refTuple('caller', 'message_id'),
          'in',
          eb
            .selectFrom('sends')
            .select(['caller', 'message_id'])
            .where('at', '<', value('before'))
            .limit(value('limit'))
            .$asTuple('caller', 'message_id'),
        ),
      ),
  ),
  deleteOldEffects: statement<{ before: number; limit: number }, unknown>((value) =>
    db
      .deleteFrom('effects')
      .where((eb) =>
        eb(
          eb.refTuple('caller', 'effect_key', 'key'),
          'in',
          eb
            .selectFrom('effects')
            .select(['caller', 'effect_key', 'key'])
            .where('at', '<', value('before'))
            .limit(value('limit'))
            .$asTuple('caller', 'effect_key', 'key'),
        ),
      ),
  ),
};

/** The two queries behind a page of tasks; their text depends on the filters. */
export function listQueries(query: TaskQuery): {
  page: CompiledQuery<HeadRow>;
  total: CompiledQuery<{ total: number | bigint | string }>;
} {
  let matching = db.selectFrom('tasks').where('caller', '=', query.caller);
  if (query.contextId !== undefined) matching = matching.where('context_id', '=', query.contextId);
  if (query.state !== undefined) matching = matching.where('state', '=', taskStateToJSON(query.state));
  if (query.statusAtFromMs !== undefined) matching = matching.where('status_at', '>=', query.statusAtFromMs);
  let page = matching.select(headColumns);
  const { after } = query;
  if (after) {
    page = page.where((eb) => eb(eb.refTuple('status_at', 'id'), '<', eb.tuple(after.statusAtMs, after.id)));
  }
  return {
    // One row more than asked for tells whether another page follows.
    page: page
      .orderBy('status_at', 'desc')
      .orderBy('id', 'desc')
      .limit(query.pageSize + 1)
      .compile(),
    total: matching.select(({ fn }) => fn.countAll().as('total')).compile(),
  };
}
