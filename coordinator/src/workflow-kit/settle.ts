import type { Branch } from './branch.ts';
import { type CallOutcome, eventNames } from './contract.ts';
import { invoke } from './invoke.ts';
import type { OpenCall, OpenChild, OpenItem, OpenWork } from './open-work.ts';
import { type Leaf, type Step, untilAny } from './orchestration.ts';
import type { Run } from './run.ts';
import { awaitChildren, cancelChildren } from './settle-children.ts';

/** How long given-up work may take to tell how it ended. */
const patienceMs = 30_000;

/**
 * Gives up what is open in some branches: questions and waits are withdrawn, calls are abandoned, and what really became of
 * them is awaited, bounded: a call that completed after all counts as done, so that it is undone. Work stays open until
 * then, so that a cancel that interrupts this finds it.
 */
export async function* settleOpenWork(run: Run, branches: readonly Branch[], key: string, reason: string): Step<void> {
  const open = [...run.open].filter((work) => branches.some((branch) => work.branch.isWithin(branch)));
  if (open.length === 0) return;
  const calls = open.filter((work) => work.kind === 'call');
  const children = open.filter((work) => work.kind === 'child');
  const others = open.filter((work) => work.kind === 'question' || work.kind === 'wait');
  const limit = run.orchestration.timer(new Date(run.orchestration.now().getTime() + patienceMs));
  if (calls.length > 0) {
    const abandoned = calls.map(({ callId, attempt }) => ({ callId, attempt }));
    yield* invoke(run, 'abandon', `${key}.abandon`, { calls: abandoned, reason });
  }
  yield* withdraw(run, others, key, limit);
  yield* cancelChildren(run, children, key, reason);
  for (let waiting = await unsettled(run, calls); waiting.length > 0; waiting = await unsettled(run, waiting)) {
    if (limit.isComplete) break;
    yield [...waiting.map((call) => nextLeaf(run, call)), limit];
  }
  for (const call of calls) {
    run.events.ignore(eventNames.call(call.callId, call.attempt));
    run.open.delete(call);
  }
  yield* awaitChildren(run, children);
  yield* awaitItems(
    run,
    open.filter((work) => work.kind === 'item'),
  );
}

/** Waits until it is known who has the undo lists of items: their rows, or still the lane. */
async function* awaitItems(run: Run, works: readonly OpenItem[]): Step<void> {
  for (const work of works) {
    if (work.activity) yield* untilAny([work.activity.leaf]);
    const settled = await work.activity?.read();
    if (settled && 'output' in settled) run.undos.length = 0;
    run.open.delete(work);
  }
}

type Withdrawable = Exclude<OpenWork, OpenCall | OpenChild | OpenItem>;

async function* withdraw(run: Run, works: Withdrawable[], key: string, limit: Leaf): Step<void> {
  if (works.length === 0) return;
  // A withdrawal that overtook the question it is about would leave it open.
  for (;;) {
    const leaves = works.flatMap(({ activity }) => (activity && !activity.leaf.isComplete ? [activity.leaf] : []));
    if (leaves.length === 0 || limit.isComplete) break;
    yield [...leaves, limit];
  }
  const questionIds = works.flatMap((work) => (work.kind === 'question' ? [work.questionId] : []));
  const waitIds = works.flatMap((work) => (work.kind === 'wait' ? [work.waitId] : []));
  yield* invoke(run, 'withdraw', `${key}.withdraw`, { questionIds, waitIds });
  for (const work of works) run.open.delete(work);
  for (const id of questionIds) run.events.ignore(eventNames.answer(id));
  for (const id of waitIds) run.events.ignore(eventNames.wait(id));
}

function nextLeaf(run: Run, call: OpenCall): Leaf {
  if (call.activity && !call.activity.leaf.isComplete) return call.activity.leaf;
  return run.events.waiter(eventNames.call(call.callId, call.attempt));
}

async function unsettled(run: Run, calls: readonly OpenCall[]): Promise<OpenCall[]> {
  const waiting: OpenCall[] = [];
  for (const call of calls) if (!(await isSettled(run, call))) waiting.push(call);
  return waiting;
}

async function isSettled(run: Run, call: OpenCall): Promise<boolean> {
  const outcome = await outcomeOf(run, call);
  if (outcome === undefined || outcome.status === 'question') return false;
  run.open.delete(call);
  if (!call.undo) return true;
  if (outcome.status === 'completed') {
    Object.assign(call.undo, { result: outcome.output, at: run.orchestration.now().getTime() });
  }
  if (outcome.status === 'rejected') call.undo.skip = true;
  return true;
}

async function outcomeOf(run: Run, call: OpenCall): Promise<CallOutcome | undefined> {
  if (call.activity && !call.activity.leaf.isComplete) return undefined;
  const sent = await call.activity?.read();
  // A question that `send` reported was taken before; what comes after it comes by event.
  if (sent && 'output' in sent && sent.output.status !== 'open' && sent.output.status !== 'question')
    return sent.output;
  const event = run.events.take(eventNames.call(call.callId, call.attempt));
  // Raised by the coordinator for exactly this call.
  return event && ((await run.unpack('payload', event)) as CallOutcome);
}
