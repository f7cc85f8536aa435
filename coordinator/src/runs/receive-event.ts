import { digest, isMeshError, MeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import { all, first, run, type Unit } from '@daca-mesh/protocol/server';
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import { clearDeadline, setDeadline } from '../deadlines/deadlines.ts';
import { answerFromEvent } from '../inbox/answers.ts';
import { raiseEvent } from '../outbox/raise.ts';
import { type CoordinatorSchema, query, type ReceivedEventRow, type WaitRow } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import { eventNames, isKitEvent, type WaitOutcome, type WaitRequest } from '../workflow-kit/contract.ts';
import type { UnitDeps } from './unit-deps.ts';
import { loadRun, requireOpenRun, rootOf } from './run-rows.ts';

/**
 * Events named by users. Whoever comes first, the event or the one who waits for it, leaves a row, and the other takes
 * it by a compare-and-set; so an event is taken once, and a wait has one outcome, also when its deadline passes now.
 */

/** An event for a run, from outside. */
export interface ReceivedEvent {
  runId: string;
  name: string;
  payload: unknown;
  /** The same event under the same id again changes nothing; another one is refused. */
  eventId: string;
  /** The caller it came from. */
  by: string;
}

/**
 * Takes an event for a run: it answers the question or ends the wait it fits, else it is kept for one that comes.
 * @returns whether it is new. @throws MeshError `RUN_NOT_FOUND`, `RUN_FINISHED`, `INVALID_ARGUMENT`, and what `answerQuestion`
 *   throws.
 */
export function* receiveEvent(deps: UnitDeps, event: ReceivedEvent): Unit<boolean> {
  if (isKitEvent(event.name)) {
    throw new MeshError('INVALID_ARGUMENT', `the event name "${event.name}" belongs to the coordinator itself`, {
      details: { path: 'name' },
    });
  }
  const row = yield* requireOpenRun(event.runId);
  const name = event.name.toLowerCase();
  // Event ids are unique where the event came from, and known to this run only.
  const stored = { ...event, name, eventId: `${row.run_id}/${event.eventId}` };
  if (!(yield* storeEvent(stored))) return false;
  yield* appendTimeline(deps.signals, row.run_id, {
    type: 'event-received',
    data: { event: event.name, payload: event.payload, by: event.by },
  });
  if (yield* answerByEvent(deps, stored)) return true;
  const wait = yield* first(
    query
      .selectFrom('waits')
      .selectAll()
      .where(belongsTo(row.run_id))
      .where('event', '=', name)
      .where('status', '=', 'open')
      .orderBy('created_at')
      .limit(1)
      .compile(),
  );
  if (wait) yield* closeWait(deps, wait, { status: 'received', payload: event.payload }, stored.eventId);
  return true;
}

/** Waits for an event of a run; one that came earlier ends it at once. */
export function* waitForEvent(
  deps: UnitDeps,
  runId: string,
  wait: WaitRequest,
): Unit<{ status: 'open' } | WaitOutcome> {
  const known = yield* first(query.selectFrom('waits').selectAll().where('wait_id', '=', wait.waitId).compile());
  if (known) return waitOutcome(known);
  const now = Date.now();
  const event = wait.event.toLowerCase();
  const [earlier] = yield* unconsumed(runId, event, 1);
  const owner = yield* loadRun(runId);
  yield* run(
    query
      .insertInto('waits')
      .values({
        wait_id: wait.waitId,
        run_id: runId,
        root_run_id: owner ? rootOf(owner) : runId,
        event,
        status: earlier ? 'received' : 'open',
        payload: earlier?.payload ?? null,
        created_at: now,
      })
      .compile(),
  );
  if (earlier) {
    yield* consume(earlier.event_id, wait.waitId);
    return { status: 'received', payload: JSON.parse(earlier.payload) as unknown };
  }
  yield* appendTimeline(deps.signals, runId, { type: 'waiting', data: { event: wait.event, waitId: wait.waitId } });
  if (wait.timeoutMs !== undefined) {
    yield* setDeadline(deps.signals, { kind: 'wait', ref: wait.waitId, run_id: runId, due_at: now + wait.timeoutMs });
  }
  return { status: 'open' };
}

/** Ends a wait whose time is up. */
export function* expireWait(deps: UnitDeps, waitId: string): Unit<void> {
  const wait = yield* first(query.selectFrom('waits').selectAll().where('wait_id', '=', waitId).compile());
  if (wait) yield* closeWait(deps, wait, { status: 'timed-out' }, undefined);
}

/** Closes waits nobody stands at any more. */
export function* withdrawWaits(waitIds: readonly string[]): Unit<void> {
  for (const waitId of waitIds) {
    yield* run(
      query
        .updateTable('waits')
        .set({ status: 'withdrawn' })
        .where('wait_id', '=', waitId)
        .where('status', '=', 'open')
        .compile(),
    );
    yield* clearDeadline('wait', waitId);
  }
}

/** Answers an open question with the events that fit it and came before the question did, until it is closed. */
export function* answerByEarlierEvent(
  deps: UnitDeps,
  runId: string,
  questionId: string,
  eventName: string,
): Unit<void> {
  for (const earlier of yield* unconsumed(runId, eventName.toLowerCase(), maxEarlier)) {
    const { name, event_id: eventId } = earlier;
    const payload = JSON.parse(earlier.payload) as unknown;
    try {
      yield* answerByEvent(deps, { runId, name, payload, eventId, by: earlier.caller ?? 'event' }, questionId);
    } catch (error) {
      // What does not fit this question may fit a later one; nobody is there any more to be told.
      if (!isMeshError(error) || !unfit.has(error.code)) throw error;
    }
  }
}

/** Why an event does not answer a question. */
const unfit: ReadonlySet<MeshErrorCode> = new Set([
  'ALREADY_APPROVED',
  'ANSWER_INVALID',
  'AUTHENTICATION_REQUIRED',
  'NOT_ASSIGNED',
]);
/** Events looked at for a question that opens. */
const maxEarlier = 100;

function* answerByEvent(deps: UnitDeps, event: ReceivedEvent, questionId?: string): Unit<boolean> {
  const open = query
    .selectFrom('questions')
    .selectAll()
    .where(belongsTo(event.runId))
    .where('event', '=', event.name)
    .where('status', '=', 'open')
    .orderBy('asked_at')
    .limit(1);
  const question = yield* first(
    (questionId === undefined ? open : open.where('question_id', '=', questionId)).compile(),
  );
  if (!question) return false;
  yield* answerFromEvent(deps, question, event.payload, deps.identify(event.by));
  yield* consume(event.eventId, question.question_id);
  return true;
}

/**
 * Inserting the id decides whether the event is new.
 * @throws MeshError `MESSAGE_ID_REUSED` when the id stands for another event.
 */
function* storeEvent(event: ReceivedEvent): Unit<boolean> {
  const inserted = yield* run(
    query
      .insertInto('received_events')
      .values({
        event_id: event.eventId,
        run_id: event.runId,
        name: event.name,
        payload: JSON.stringify(event.payload ?? null),
        received_at: Date.now(),
        consumed_by: null,
        caller: event.by,
      })
      .onConflict((conflict) => conflict.column('event_id').doNothing())
      .compile(),
  );
  if (inserted > 0) return true;
  const earlier = yield* first(
    query.selectFrom('received_events').select(['name', 'payload']).where('event_id', '=', event.eventId).compile(),
  );
  // Written above from a JSON value.
  const payload: unknown = JSON.parse(earlier?.payload ?? 'null');
  if (earlier?.name === event.name && digest(payload) === digest(event.payload ?? null)) return false;
  throw new MeshError('MESSAGE_ID_REUSED', 'this event id was used before with another event', {
    details: { event: event.name },
  });
}

function* closeWait(deps: UnitDeps, wait: WaitRow, outcome: WaitOutcome, eventId: string | undefined): Unit<void> {
  const closed = yield* run(
    query
      .updateTable('waits')
      .set({
        status: outcome.status,
        payload: outcome.status === 'received' ? JSON.stringify(outcome.payload ?? null) : null,
      })
      .where('wait_id', '=', wait.wait_id)
      .where('status', '=', 'open')
      .compile(),
  );
  if (closed === 0) return;
  if (eventId !== undefined) yield* consume(eventId, wait.wait_id);
  yield* clearDeadline('wait', wait.wait_id);
  yield* raiseEvent(deps.signals, wait.run_id, eventNames.wait(wait.wait_id), outcome);
}

/** The oldest events of this name that nobody took: a child hears its own and its root's. */
function* unconsumed(runId: string, name: string, limit: number): Unit<readonly ReceivedEventRow[]> {
  const owner = yield* loadRun(runId);
  const root = owner ? rootOf(owner) : runId;
  return yield* all(
    query
      .selectFrom('received_events')
      .selectAll()
      .where('run_id', 'in', [runId, root])
      .where('name', '=', name)
      .where('consumed_by', 'is', null)
      .orderBy('received_at')
      .limit(limit)
      .compile(),
  );
}

/** What waits for the events of a run: the run itself, and everything below a root. */
const belongsTo =
  (runId: string) =>
  (eb: ExpressionBuilder<CoordinatorSchema, 'waits' | 'questions'>): Expression<SqlBool> =>
    eb.or([eb('run_id', '=', runId), eb('root_run_id', '=', runId)]);

function* consume(eventId: string, by: string): Unit<void> {
  yield* run(query.updateTable('received_events').set({ consumed_by: by }).where('event_id', '=', eventId).compile());
}

function waitOutcome(row: WaitRow): { status: 'open' } | WaitOutcome {
  switch (row.status) {
    case 'open':
      return { status: 'open' };
    case 'received':
      return { status: 'received', payload: JSON.parse(row.payload ?? 'null') as unknown };
    case 'timed-out':
    case 'withdrawn':
      return { status: 'timed-out' };
    default:
      return row.status satisfies never;
  }
}
