import { isMeshError } from '@daca-mesh/protocol';
import type { Unit } from '@daca-mesh/protocol/server';
import type { Task } from '@a2a-js/sdk';
import type { Peer } from '../directory/peer.ts';
import { askQuestion } from '../inbox/questions.ts';
import type { CallRow, QuestionRow } from '../store/schema.ts';
import type { CallOutcome } from '../workflow-kit/contract.ts';
import { isLimited, settleLimited } from './call-limits.ts';
import { callQuestionId } from './call-questions.ts';
import {
  abandonedFor,
  type CallOptions,
  keepCall,
  keyOf,
  loadCall,
  never,
  neverSent,
  optionsOf,
  pauseLimits,
  requestOf,
  resumeLimits,
  settleCall,
  updateCall,
} from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import { recordTask } from './record-task.ts';

/**
 * A call that may or may not have reached its peer. First the task is looked for by the context that this attempt alone
 * has; where that shows nothing, the call's `onUnknown` decides. A person is asked with the choice `resend`, `value` or
 * `fail`.
 */

// A message that is still on its way when its connection breaks is in the agent's store well within this.
const arrivalMs = 2_000;
const lookAgainMs = 500;

export async function resolveUnknown(deps: WatcherDeps, row: CallRow): Promise<void> {
  const { database, directory } = deps;
  const peer = directory.at(row.peer_url ?? '');
  const found = peer ? await findTask(peer, requestOf(row).contextId) : 'later';
  if (found === 'later' || (found === 'none' && Date.now() < row.progressed_at + arrivalMs)) {
    const nextAt = Date.now() + lookAgainMs;
    await database.write(() => keepCall(deps, keyOf(row), { state: 'sending', next_at: nextAt, tries: row.tries + 1 }));
  } else if (typeof found === 'object') {
    await database.write(() => recordTask(deps, row, found, { raise: true }));
  } else {
    await database.write(() => decide(deps, row, found));
  }
}

/** Looks for the only task of a context. `none`: the peer has none; `unsupported`: it cannot tell. */
async function findTask(peer: Peer, contextId: string): Promise<Task | 'none' | 'unsupported' | 'later'> {
  if (!peer.canList) return 'unsupported';
  try {
    const { tasks } = await peer.client.list({ contextId, pageSize: 2 });
    const task = tasks.find((candidate) => candidate.contextId === contextId);
    return task ? await peer.client.get(task.id, { historyLength: 0 }) : 'none';
  } catch (error) {
    if (isMeshError(error) && error.code === 'INVALID_ARGUMENT') return 'unsupported';
    return 'later';
  }
}

function* decide(deps: WatcherDeps, seen: CallRow, found: 'none' | 'unsupported'): Unit<void> {
  const row = yield* loadCall(keyOf(seen));
  if (row?.state !== 'sending') return;
  if (row.abandoned !== abandonedFor.nothing) {
    if (found === 'none') yield* settleUnsent(deps, row);
    else yield* updateCall(keyOf(row), { next_at: never });
    return;
  }
  const options = optionsOf(row);
  const policy = options.repeatable ? 'resend' : options.onUnknown;
  if (policy === 'resend') yield* resend(deps, row);
  else if (policy === 'fail') yield* settleCall(deps, row, unknownOutcome(row), { raise: true });
  else {
    yield* keepCall(deps, keyOf(row), { state: 'sending', next_at: never });
    yield* pauseLimits(row);
    yield* askWhatHappened(deps, row);
  }
}

/** Ends a call that was given up and that its agent does not have. */
export function* settleUnsent(deps: WatcherDeps, row: CallRow): Unit<CallOutcome> {
  if (isLimited(row)) return yield* settleLimited(deps, row);
  const failure = neverSent('the call was given up before the agent got it');
  return yield* settleCall(deps, row, { status: 'canceled', failure }, { raise: true });
}

const choices = ['resend', 'value', 'fail'] as const;

function* askWhatHappened(deps: WatcherDeps, row: CallRow): Unit<void> {
  const what = row.skill === null ? 'a message' : `"${row.skill}"`;
  yield* askQuestion(deps, {
    questionId: callQuestionId(row, 'outcome-unknown'),
    runId: row.run_id,
    generation: row.generation,
    path: [deps.settings.name],
    callId: row.call_id,
    attempt: row.attempt,
    prompt:
      `The connection to ${row.agent ?? 'an agent'} broke while ${what} was being sent, and the agent cannot tell ` +
      'whether it received it. Send it again (it may then be done twice), give its result yourself, or let the call fail?',
    actions: ['answer'],
    schema: {
      type: 'object',
      properties: { choice: { enum: [...choices] }, value: { description: 'The result, with the choice "value"' } },
      required: ['choice'],
    },
    arguments: requestOf(row).input,
  });
}

/** Does what the person decided about a call of unknown outcome. */
export function* applyDecision(deps: WatcherDeps, row: CallRow, question: QuestionRow): Unit<void> {
  const given: unknown = question.answer === null ? undefined : JSON.parse(question.answer);
  const value = typeof given === 'object' && given !== null && 'value' in given ? given.value : undefined;
  const choice = typeof value === 'object' && value !== null && 'choice' in value ? value.choice : 'fail';
  if (choice === 'resend') {
    yield* resumeLimits(deps, row);
    yield* resend(deps, row);
  } else if (choice === 'value') {
    const output = typeof value === 'object' && value !== null && 'value' in value ? value.value : null;
    const outcome: CallOutcome = { status: 'completed', output, agent: row.agent ?? '', taskId: '' };
    yield* settleCall(deps, row, outcome, { raise: true });
  } else {
    yield* settleCall(deps, row, unknownOutcome(row), { raise: true });
  }
}

function* resend(deps: WatcherDeps, row: CallRow): Unit<void> {
  // The same bytes to the same peer: it alone can recognize what it may already have.
  const options = optionsOf((yield* loadCall(keyOf(row))) ?? row);
  const target = row.agent === null ? options.target : { ...options.target, agent: row.agent };
  yield* keepCall(deps, keyOf(row), {
    state: 'unsent',
    next_at: Date.now(),
    options: JSON.stringify({ ...options, target } satisfies CallOptions),
  });
}

function unknownOutcome(row: CallRow): CallOutcome {
  const message = `the connection broke while the call was being sent; whether ${row.agent ?? 'the agent'} received it is not known`;
  return {
    status: 'failed',
    failure: { code: 'OUTCOME_UNKNOWN', message, retryable: false },
    ...(row.agent === null ? {} : { agent: row.agent }),
  };
}
