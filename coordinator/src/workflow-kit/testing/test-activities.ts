import { type Answer, type Approvals, checkAnswer, MeshError, parseEventAnswer } from '@daca-mesh/protocol';
import type { AskedQuestion, CallRequest, KitActivities, QuestionRequest } from '../contract.ts';
import { targetLabel } from '../target-label.ts';
import { type AgentQuestion, type AgentStep, beginWork, type ScriptedAgent } from './scripted-agent.ts';
import { type Raise, type Reaction, ScriptedActivities } from './scripted-activities.ts';

/** What a run of a test meets. */
export interface World {
  agents: Readonly<Record<string, ScriptedAgent<never, unknown> | undefined>>;
  activities: Readonly<Record<string, (input: never) => unknown>>;
  setAlarm: (afterMs: number, ring: () => void) => void;
}

/** A question somebody has to answer, of the workflow or of an agent. */
export interface TestQuestion extends AskedQuestion {
  /** Who is asked now: changes as the question escalates. */
  assignee?: string;
  /** Where several must approve: who has. */
  approvals?: Approvals;
}

/** A reminder that was given, and to whom. */
export interface TestReminder {
  questionId: string;
  assignee?: string;
  /** After the question was asked. */
  afterMs: number;
}

interface OpenQuestion {
  question: TestQuestion;
  /** The event that answers it too. */
  event?: string | undefined;
  take: (answer: Answer, by: string) => void;
}

/** The world of a workflow under test: agents that follow a script, questions, events and deadlines in virtual time. */
export class TestActivities extends ScriptedActivities {
  readonly #world: World;
  readonly #steps = new Map<string, AgentStep>();
  readonly #received: { name: string; payload: unknown }[] = [];
  readonly asked: TestQuestion[] = [];
  readonly reminded: TestReminder[] = [];
  #open: OpenQuestion[] = [];

  constructor(world: World, raise: Raise) {
    super(
      {
        react: (call) => this.#begin(call),
        // What an activity takes is known where it is scheduled.
        local: (name, input) => activityOf(world, name)(input as never),
      },
      raise,
    );
    this.#world = world;
  }

  /** The questions that wait, the oldest first. */
  get open(): TestQuestion[] {
    return this.#open.map(({ question }) => question);
  }

  /** Answers an open question. @throws MeshError `ALREADY_APPROVED`, `ANSWER_INVALID`, `QUESTION_NOT_FOUND`. */
  answer(answer: Answer, by: string): void {
    const open = this.#open.find(({ question }) => (answer.questionId ?? question.id) === question.id);
    if (!open) throw new MeshError('QUESTION_NOT_FOUND', 'nothing is asked, or not this question');
    checkAnswer({ path: [], ...open.question }, answer);
    if (answer.action === 'approve' && addApproval(open.question, answer, by) > 0) return;
    this.#close(open.question.id);
    open.take(answer, by);
  }

  /** An event from outside: answers a question, ends a wait, or is kept for the one that comes. */
  happen(name: string, payload: unknown): void {
    const event = name.toLowerCase();
    const asked = this.#open.find((open) => open.event === event);
    if (asked) {
      const { answer, by = 'event' } = parseEventAnswer(asked.question, payload);
      return this.answer({ ...answer, questionId: asked.question.id }, by);
    }
    if (!this.receive(event, { status: 'received', payload })) this.#received.push({ name: event, payload });
  }

  override async ask(input: Parameters<KitActivities['ask']>[0]): ReturnType<KitActivities['ask']> {
    const asked = await super.ask(input);
    const { questionId, prompt, actions, schema, assignee, approvals, timeoutMs, onDeadline } = input.question;
    const question: TestQuestion = {
      id: questionId,
      prompt,
      actions,
      ...(schema ? { schema } : {}),
      ...(input.question.arguments === undefined ? {} : { arguments: input.question.arguments }),
      ...(assignee === undefined ? {} : { assignee }),
      ...(approvals ? { approvals: { ...approvals, given: [], missing: approvals.required } } : {}),
    };
    const given = (): { approvals?: Approvals['given'] } =>
      question.approvals ? { approvals: question.approvals.given } : {};
    const { event } = input.question;
    this.#put(question, (answer, by) => this.decide(questionId, { status: 'answered', answer, by, ...given() }), event);
    this.#setSteps(question, input.question);
    if (timeoutMs !== undefined) {
      this.#world.setAlarm(timeoutMs, () => {
        this.#close(questionId);
        this.decide(questionId, { status: 'expired', ...(onDeadline ? { answer: onDeadline } : {}), ...given() });
      });
    }
    return asked;
  }

  /** Reminds and escalates while the question is open. */
  #setSteps(question: TestQuestion, { reminders = [], escalation = [] }: QuestionRequest): void {
    const whileOpen = (afterMs: number, step: () => void): void =>
      this.#world.setAlarm(afterMs, () => {
        if (this.open.includes(question)) step();
      });
    for (const { afterMs, assignee } of escalation) whileOpen(afterMs, () => (question.assignee = assignee));
    for (const { afterMs } of reminders) {
      whileOpen(afterMs, () => {
        const { id: questionId, assignee } = question;
        this.reminded.push({ questionId, ...(assignee === undefined ? {} : { assignee }), afterMs });
      });
    }
  }

  override async withdraw(input: { questionIds: string[]; waitIds: string[] }): Promise<{ status: 'ok' }> {
    for (const id of input.questionIds) this.#close(id);
    return super.withdraw(input);
  }

  override async wait(input: Parameters<KitActivities['wait']>[0]): Promise<{ status: 'open' }> {
    const waiting = await super.wait(input);
    const { event, timeoutMs, waitId } = input.wait;
    const earlier = this.#received.findIndex(({ name }) => name === event);
    const [received] = earlier === -1 ? [] : this.#received.splice(earlier, 1);
    if (received) this.receive(event, { status: 'received', payload: received.payload });
    else if (timeoutMs !== undefined) {
      this.#world.setAlarm(timeoutMs, () => void this.receive(event, { status: 'timed-out' }, waitId));
    }
    return waiting;
  }

  override async answerCall(input: Parameters<KitActivities['answerCall']>[0]): Promise<{ status: 'ok' }> {
    await super.answerCall(input);
    const step = this.#steps.get(input.callId);
    if (step?.status === 'asks') this.#goOn(input, step.next(input.answer), 'workflow');
    return { status: 'ok' };
  }

  #begin(call: CallRequest): Reaction {
    const { target } = call;
    const name = targetLabel(target);
    const agent = this.#world.agents[name] ?? this.#world.agents['agent' in target ? target.agent : name];
    if (!agent) {
      const failure = { code: 'PEER_NOT_FOUND', message: `no agent of this test does ${name}`, retryable: false };
      return { status: 'failed', failure };
    }
    // What a call sends is checked where it is made.
    const step = beginWork(agent as ScriptedAgent<unknown, unknown>, call.input, call);
    return this.#react(call, step, call.questionPolicy);
  }

  #react(call: CallRequest, step: AgentStep, policy: CallRequest['questionPolicy']): Reaction {
    const { callId, attempt, timeoutMs, noProgressMs } = call;
    this.#steps.set(callId, step);
    switch (step.status) {
      case 'settled':
        return step.outcome;
      case 'asks': {
        const question = toAsked(callId, step.question);
        if (policy === 'workflow') return { status: 'question', question, agent: 'agent', taskId: 'task' };
        this.#put(question, (answer) => this.#goOn(call, step.next(answer), policy));
        return 'open';
      }
      case 'silent':
        this.#world.setAlarm(Math.min(timeoutMs, noProgressMs), () => {
          const failure = { code: 'DEADLINE_EXCEEDED', message: 'the agent did not answer in time', retryable: false };
          this.settle(callId, attempt, { status: 'timed-out', failure });
        });
        return 'open';
      default:
        return step satisfies never;
    }
  }

  /** The agent works on after an answer. */
  #goOn(
    { callId, attempt }: { callId: string; attempt: number },
    step: AgentStep,
    policy: CallRequest['questionPolicy'] | 'workflow',
  ): void {
    const call = this.sent.find((each) => each.callId === callId && each.attempt === attempt);
    if (!call) return;
    const reaction = this.#react(call, step, policy);
    if (typeof reaction === 'object' && 'status' in reaction) this.settle(callId, attempt, reaction);
  }

  #put(question: TestQuestion, take: OpenQuestion['take'], event?: string): void {
    this.asked.push(question);
    this.#open.push({ question, take, event });
  }

  #close(questionId: string): void {
    this.#open = this.#open.filter(({ question }) => question.id !== questionId);
  }
}

/** Notes an approval where several are needed. @returns how many are missing. */
function addApproval(question: TestQuestion, { reason }: Answer, by: string): number {
  const { approvals } = question;
  if (!approvals) return 0;
  if (approvals.given.some((approval) => approval.by === by)) {
    throw new MeshError('ALREADY_APPROVED', `${by} has approved already`);
  }
  const at = new Date(0).toISOString();
  const given = [...approvals.given, { by, at, ...(reason === undefined ? {} : { reason }) }];
  const missing = Math.max(0, approvals.required - given.length);
  question.approvals = { ...approvals, given, missing };
  return missing;
}

function activityOf({ activities }: World, name: string): (input: never) => unknown {
  const activity = Object.hasOwn(activities, name) ? activities[name] : undefined;
  if (activity) return activity;
  throw new MeshError('NOT_FOUND', `there is no activity "${name}" in this test`);
}

const toAsked = (callId: string, { prompt, actions = ['answer'], schema, ...more }: AgentQuestion): AskedQuestion => ({
  id: `${callId}-asks`,
  prompt,
  actions,
  ...(schema ? { schema } : {}),
  ...(more.arguments === undefined ? {} : { arguments: more.arguments }),
});
