import { type Answer, parseEventAnswer } from '@daca-mesh/protocol';
import {
  type CallOutcome,
  type CallRequest,
  type ClaimOutcome,
  eventNames,
  type KitActivities,
  type QuestionOutcome,
  type QuestionRequest,
  type RaisedEvent,
  type RunEnd,
  type WaitOutcome,
  type WaitRequest,
} from '../contract.ts';

import { ScriptedChildren } from './scripted-children.ts';

type Settled = Exclude<CallOutcome, { status: 'question' }>;

/** What a scripted agent does with an attempt: settled within the linger, later by event, or left open for the test. */
export type Reaction = CallOutcome | { later: CallOutcome } | 'open';

export interface Script {
  /** Every call, before `agents` is asked. */
  react?: (call: CallRequest) => Reaction;
  /** By skill. Without an entry a call completes with `{}`. */
  agents?: Record<string, (call: CallRequest) => Reaction>;
  /** What became of an open call that was abandoned; default canceled. `never`: nobody will ever know. */
  onAbandon?: (callId: string) => Settled | 'never';
  /** Answers a question at once; without it questions stay open. */
  onAsk?: (question: QuestionRequest) => QuestionOutcome | undefined;
  /** The coordinator's own activities. */
  local?: (name: string, input: unknown) => unknown;
}

export const completed = (output: unknown): CallOutcome => ({
  status: 'completed',
  output,
  agent: 'agent',
  taskId: 'task',
});

export const failed = (message: string, retryable = true): CallOutcome => ({
  status: 'failed',
  failure: { code: 'INTERNAL', message, retryable },
  agent: 'agent',
  taskId: 'task',
});

/** Raises an event to an instance. */
export type Raise = (runId: string, name: string, event: RaisedEvent) => void;

/** The kit's activities in memory: they do what a script says, as idempotently as the real ones, and write a log. */
export class ScriptedActivities implements KitActivities {
  token = 'start-token';
  readonly #script: Script;
  #raise: Raise;
  readonly #outcomes = new Map<string, { runId: string; reaction: Reaction }>();
  readonly #waits = new Map<string, { runId: string; event: string; outcome: WaitOutcome | undefined }>();
  readonly #questions = new Map<
    string,
    { runId: string; question: QuestionRequest; outcome: QuestionOutcome | undefined }
  >();
  #events = 0;
  /** Every activity that was executed, in order; `send undo/0.0#1` and the like. */
  readonly log: string[] = [];
  readonly sent: CallRequest[] = [];
  /** The rows of children and of maps. */
  readonly tree = new ScriptedChildren((childId, name, payload) => this.raise(childId, name, payload));
  readonly claims: Parameters<KitActivities['claim']>[0][] = [];
  readonly progressed: Parameters<KitActivities['progress']>[0][] = [];
  readonly proposalIds: string[] = [];
  input: unknown;
  canceled = false;
  begun = false;
  stopped = false;
  end: RunEnd | undefined;

  constructor(script: Script, raise: Raise) {
    this.#script = script;
    this.#raise = raise;
  }

  /** The instance is gone, and another one begins the run again from what the rows say. */
  startOver(token: string, raise: Raise): void {
    this.token = token;
    this.#raise = raise;
  }

  async claim(input: Parameters<KitActivities['claim']>[0]): Promise<ClaimOutcome> {
    this.log.push(`claim ${input.generation}`);
    this.claims.push(input);
    if (this.stopped) return { status: 'stop', reason: 'the run is over' };
    const { instanceId: runId } = input;
    const child = this.tree.children.get(runId);
    if (child) {
      if (child.outcome || input.token !== child.token) return { status: 'stop', reason: 'not this child' };
      return { status: 'go', runId, token: child.token, input: child.request.input, canceled: child.canceling };
    }
    const { token, canceled, begun } = this;
    const handed = canceled && input.generation > 0;
    return { status: 'go', runId, token, input: input.input ?? this.input, canceled, begun, ...(handed && { handed }) };
  }

  async send({ runId, call }: Parameters<KitActivities['send']>[0]): ReturnType<KitActivities['send']> {
    const key = eventNames.call(call.callId, call.attempt);
    const known = this.#outcomes.get(key);
    this.log.push(`send ${call.path}#${call.attempt}${known ? ' again' : ''}`);
    const reaction = known?.reaction ?? this.#react(call);
    this.#outcomes.set(key, { runId, reaction });
    if (reaction === 'open') return { status: 'open' };
    if (!('later' in reaction)) return reaction;
    if (known) return reaction.later;
    this.raise(runId, key, reaction.later);
    return { status: 'open' };
  }

  #react(call: CallRequest): Reaction {
    this.sent.push(call);
    if (this.#script.react) return this.#script.react(call);
    const skill = call.target.skill ?? '';
    return this.#script.agents?.[skill]?.(call) ?? completed({});
  }

  /** Settles an open call from outside. */
  settle(callId: string, attempt: number, outcome: CallOutcome): void {
    const key = eventNames.call(callId, attempt);
    const known = this.#outcomes.get(key);
    if (!known) throw new Error(`no such call: ${key}`);
    known.reaction = { later: outcome };
    this.raise(known.runId, key, outcome);
  }

  async answerCall({ callId, answer }: { callId: string; answer: Answer }): Promise<{ status: 'ok' }> {
    this.log.push(`answerCall ${callId.slice(-4)} ${answer.action}`);
    return { status: 'ok' };
  }

  async abandon({ calls }: { calls: { callId: string; attempt: number }[] }): Promise<{ status: 'ok' }> {
    this.log.push(`abandon ${calls.length}`);
    for (const { callId, attempt } of calls) {
      const known = this.#outcomes.get(eventNames.call(callId, attempt));
      if (known?.reaction !== 'open') continue;
      const outcome = this.#script.onAbandon?.(callId) ?? { ...failed('canceled'), status: 'canceled' };
      // A canceled outcome is a failed one with another status.
      if (outcome !== 'never') this.settle(callId, attempt, outcome as Settled);
    }
    return { status: 'ok' };
  }

  async ask({ runId, question }: Parameters<KitActivities['ask']>[0]): ReturnType<KitActivities['ask']> {
    const known = this.#questions.get(question.questionId);
    this.log.push(`ask ${question.path}${known ? ' again' : ''}`);
    const outcome = known?.outcome ?? this.#script.onAsk?.(question);
    this.#questions.set(question.questionId, { runId, question, outcome });
    return known || !outcome ? { status: 'open' } : outcome;
  }

  get openQuestions(): QuestionRequest[] {
    return [...this.#questions.values()].flatMap(({ question, outcome }) => (outcome ? [] : [question]));
  }

  /** Gives a verdict on a question; only the first counts. */
  decide(questionId: string, outcome: QuestionOutcome): void {
    const row = this.#questions.get(questionId);
    if (!row) throw new Error(`no such question: ${questionId}`);
    if (row.outcome) return;
    row.outcome = outcome;
    this.raise(row.runId, eventNames.answer(questionId), outcome);
  }

  async withdraw({ questionIds, waitIds }: { questionIds: string[]; waitIds: string[] }): Promise<{ status: 'ok' }> {
    this.log.push(`withdraw ${questionIds.length} ${waitIds.length}`);
    for (const id of questionIds) this.decide(id, { status: 'withdrawn' });
    for (const id of waitIds) this.#waits.delete(id);
    return { status: 'ok' };
  }

  async wait({ runId, wait }: { runId: string; wait: WaitRequest }): Promise<{ status: 'open' }> {
    this.log.push(`wait ${wait.event}`);
    this.#waits.set(wait.waitId, { runId, event: wait.event, outcome: undefined });
    return { status: 'open' };
  }

  /** An event that came in through the rows, or the end of a wait's time limit; false where nobody waits for it. */
  receive(event: string, outcome: WaitOutcome, onlyWait?: string): boolean {
    for (const [waitId, row] of this.#waits) {
      if (row.event !== event || row.outcome || (onlyWait ?? waitId) !== waitId) continue;
      row.outcome = outcome;
      this.raise(row.runId, eventNames.wait(waitId), outcome);
      return true;
    }
    return false;
  }

  async propose({ proposalId, event, payload }: Parameters<KitActivities['propose']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`propose ${event}`);
    this.proposalIds.push(proposalId);
    this.receive(event, { status: 'received', payload });
    for (const { question, outcome } of this.#questions.values()) {
      if (question.event !== event || outcome) continue;
      const { answer, by = 'event' } = parseEventAnswer(
        { id: question.questionId, actions: question.actions },
        payload,
      );
      this.decide(question.questionId, { status: 'answered', answer, by });
    }
    return { status: 'ok' };
  }

  async progress(input: Parameters<KitActivities['progress']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`progress ${input.message}`);
    this.progressed.push(input);
    return { status: 'ok' };
  }

  async note({ entry }: Parameters<KitActivities['note']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`note ${entry.type}`);
    return { status: 'ok' };
  }

  async local({ name, input }: { name: string; input: unknown }): Promise<{ output: unknown }> {
    this.log.push(`local ${name}`);
    return { output: await this.#script.local?.(name, input) };
  }

  async openChild({ runId, child }: Parameters<KitActivities['openChild']>[0]): ReturnType<KitActivities['openChild']> {
    this.log.push(`openChild ${child.path}`);
    return this.tree.open(this.#tokenOf(runId), child);
  }

  async childEnd({ childId }: { childId: string }): ReturnType<KitActivities['childEnd']> {
    return this.tree.end(childId);
  }

  async cancelChildren(input: Parameters<KitActivities['cancelChildren']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`cancelChildren ${input.children.length}`);
    this.tree.cancel(input);
    return { status: 'ok' };
  }

  async handedUndos(input: Parameters<KitActivities['handedUndos']>[0]): ReturnType<KitActivities['handedUndos']> {
    return this.tree.handedUndos(input);
  }

  async putItems(input: Parameters<KitActivities['putItems']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`putItems ${input.items.length}`);
    this.tree.putItems(input);
    return { status: 'ok' };
  }

  async nextItem(input: Parameters<KitActivities['nextItem']>[0]): ReturnType<KitActivities['nextItem']> {
    return this.tree.nextItem(input, (progress) => this.progressed.push({ ...input, ...progress }));
  }

  async itemOutcomes(input: Parameters<KitActivities['itemOutcomes']>[0]): ReturnType<KitActivities['itemOutcomes']> {
    return this.tree.itemOutcomes(input);
  }

  async finish({ runId, end, undos }: Parameters<KitActivities['finish']>[0]): Promise<{ status: 'ok' }> {
    this.log.push(`finish ${end.status}`);
    if (this.tree.children.has(runId)) this.tree.finish(runId, end, undos ?? []);
    else this.end ??= end;
    return { status: 'ok' };
  }

  /** Raises a numbered event of the kit. */
  raise(runId: string, name: string, payload: unknown): void {
    this.#raise(runId, name, { n: ++this.#events, token: this.#tokenOf(runId), payload });
  }

  #tokenOf(runId: string): string {
    return this.tree.children.get(runId)?.token ?? this.token;
  }
}
