import { digest, isMeshError, Question } from '@daca-mesh/protocol';
import { afterCommit, first, isKillPointArmed, killPoint, type Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import { isOver, rootOf } from '../runs/run-rows.ts';
import { type CallRow, query } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import {
  abandonedFor,
  callFields,
  type CallOptions,
  type FrozenRequest,
  insertCall,
  keyOf,
  loadCall,
  never,
  neverSent,
  outcomeOf,
  pauseLimits,
  settleCall,
} from '../watcher/call-rows.ts';
import { isHeld } from '../watcher/call-sender.ts';
import type { WatcherDeps } from '../watcher/watcher-deps.ts';
import { questionOutcome } from '../watcher/record-task.ts';
import type { Watcher } from '../watcher/watcher.ts';
import type { ActivityScope, CallOutcome, CallRequest, Failure, KitActivities } from '../workflow-kit/contract.ts';
import { enterActivity } from './enter-activity.ts';

type SendOutput = Awaited<ReturnType<KitActivities['send']>>;

/** What the first commit of a send decides: it is known, an earlier execution made the row, or it goes out now. */
type Prepared = { outcome: SendOutput } | { known: CallRow } | { row: CallRow };

/**
 * Makes an attempt of a call. The row with peer and exact request is committed first; whoever executes this again reads
 * it back. A call that the peer settles within the linger is returned as settled, without outbox row and event.
 */
export async function sendCall(
  deps: WatcherDeps,
  watcher: Watcher,
  { call, ...scope }: ActivityScope & { call: CallRequest },
): Promise<SendOutput> {
  const prepared = await deps.database.write(() => prepareCall(deps, scope, call));
  if ('outcome' in prepared) return prepared.outcome;
  if ('known' in prepared) return takeUp(deps, watcher, prepared.known);
  killPoint('call-row-written');
  return watcher.send(prepared.row);
}

function* prepareCall(deps: WatcherDeps, scope: ActivityScope, call: CallRequest): Unit<Prepared> {
  const owner = yield* enterActivity(deps, scope);
  const known = yield* loadCall(call);
  if (known) return { known };
  if (!owner || isOver(owner)) return { outcome: { status: 'canceled', failure: neverSent('the run has ended') } };
  const choice = choosePeer(deps, call);
  if ('failure' in choice) {
    const refused = toRow(deps, { ...scope, root: rootOf(owner) }, call, undefined);
    yield* insertCall(refused);
    const outcome: CallOutcome = { status: 'failed', failure: choice.failure };
    return { outcome: yield* settleCall(deps, refused, outcome, { raise: false }) };
  }
  const held = isHeld(owner, call.compensating);
  const row = toRow(deps, { ...scope, root: rootOf(owner) }, call, held ? undefined : choice.peer);
  if (held) row.next_at = never;
  yield* insertCall(row);
  if (held) {
    yield* pauseLimits(row);
    return { outcome: { status: 'open' } };
  }
  if (row.state === 'sending') {
    const data = { ...(row.skill === null ? {} : { skill: row.skill }), path: row.path };
    yield* appendTimeline(deps.signals, row.run_id, { type: 'call-sent', ...callFields(row), data });
  }
  yield* namedKillPoints(row, call);
  return { row };
}

/** An earlier execution of this very send wrote the row: joins it, or reads what became of it; the rest is an event. */
async function takeUp(deps: WatcherDeps, watcher: Watcher, known: CallRow): Promise<SendOutput> {
  const joined = await watcher.underWay(known);
  if (joined) return joined;
  const row = (await deps.database.read(() => loadCall(keyOf(known)))) ?? known;
  if (row.state === 'settled') return outcomeOf(row);
  // A question for the workflow: it may have been this activity that was to report it.
  if (row.outcome !== null) return questionOutcome(row, Question.parse(JSON.parse(row.outcome)));
  return { status: 'open' };
}

function choosePeer(deps: WatcherDeps, call: CallRequest): { peer: Peer | undefined } | { failure: Failure } {
  try {
    return { peer: deps.directory.choose(call.target) };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    const { code, message, retryable, details } = error;
    return { failure: { code, message, retryable, ...(details === undefined ? {} : { details }) } };
  }
}

// The row is the activity's own until this passes; should the process die, its successor makes it due at once.
const ownMs = 60_000;

function toRow(
  deps: WatcherDeps,
  { root, ...scope }: ActivityScope & { root: string },
  call: CallRequest,
  peer: Peer | undefined,
): CallRow {
  const now = Date.now();
  const skill = call.target.skill;
  const request: FrozenRequest = {
    ...(skill === undefined ? {} : { skill }),
    input: call.input,
    messageId: call.messageId,
    // One context for each attempt, so that its task can be found by it.
    contextId: digest([call.messageId, 'context']).slice(0, 32),
    effectKey: call.effectKey,
    chain: {
      root,
      path: [deps.settings.name],
      depth: 1,
      remainingMs: call.timeoutMs,
      deadline: new Date(now + call.timeoutMs).toISOString(),
    },
    lingerMs: deps.settings.lingerMs,
  };
  const { target, timeoutMs, noProgressMs, questionPolicy, repeatable, onUnknown, compensating } = call;
  const idempotent = peer?.idempotent ?? false;
  const options: CallOptions = {
    target,
    timeoutMs,
    noProgressMs,
    questionPolicy,
    repeatable,
    onUnknown,
    compensating,
    idempotent,
  };
  return {
    call_id: call.callId,
    attempt: call.attempt,
    run_id: scope.runId,
    generation: scope.generation,
    path: call.path,
    skill: skill ?? null,
    agent: idempotent ? (peer?.name ?? null) : null,
    peer_url: idempotent ? (peer?.origin ?? null) : null,
    request: JSON.stringify(request),
    message_id: call.messageId,
    effect_key: call.effectKey,
    options: JSON.stringify(options),
    // A peer that recognizes a repetition needs no commit of its own between the row and the send.
    state: idempotent ? 'sending' : 'unsent',
    abandoned: abandonedFor.nothing,
    task_id: null,
    outcome: null,
    watermark: null,
    progressed_at: now,
    next_at: now + ownMs,
    tries: 0,
    created_at: now,
    settled_at: null,
  };
}

/** Points a crash test names by what the run is doing; reached when the call's row is written. */
function* namedKillPoints(row: CallRow, call: CallRequest): Unit<void> {
  const { run_id: runId } = row;
  if (call.compensating) yield* afterCommit(() => killPoint('compensating'));
  if (isKillPointArmed('fan-out') && (yield* hasOtherCall(row))) yield* afterCommit(() => killPoint('fan-out'));
  if (isKillPointArmed('chain') && (yield* hasAnswer(runId))) yield* afterCommit(() => killPoint('chain'));
}

function* hasOtherCall(row: CallRow): Unit<boolean> {
  const live = query
    .selectFrom('calls')
    .select('call_id')
    .where('run_id', '=', row.run_id)
    .where('state', '<>', 'settled');
  return (yield* first(live.where('call_id', '<>', row.call_id).limit(1).compile())) !== undefined;
}

function* hasAnswer(runId: string): Unit<boolean> {
  const answered = query.selectFrom('questions').select('question_id').where('run_id', '=', runId);
  return (yield* first(answered.where('status', '=', 'answered').limit(1).compile())) !== undefined;
}
