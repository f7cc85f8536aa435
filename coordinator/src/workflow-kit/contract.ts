import type { Answer, AnswerAction, Approval, ApprovalRule, EscalationStep, Reminder } from '@daca-mesh/protocol';
import type { Carried } from './payloads.ts';

/**
 * The contract between workflow code (deterministic, replayed) and the coordinator's activities (all I/O). Workflows
 * reach the world only through these activities; the world reaches a run only through the events listed here. All
 * values are JSON. Every activity is idempotent: the engine may run it again after a crash.
 */

/** What the engine's instance is started with. */
export interface Envelope extends EnvelopeMarks {
  input: unknown;
}

/** An envelope as it travels. */
export type CarriedEnvelope = EnvelopeMarks & Carried<'input'>;

interface EnvelopeMarks {
  /** Marks an input written by the kit; an input without it was given to Dapr's own API. */
  $mesh: 1;
  runId: string;
  /** 0 for the first execution, +1 for each continue-as-new. */
  generation: number;
  /** The start token of the run row; a claim with another token stops without effect. */
  token: string;
  seen: SeenEvents;
  /** Only a child has it: the run at the top of its tree, where people see what the child does. */
  root?: string;
  /**
   * There is nothing to ask before the workflow's own code begins: the run is in its first generation and nobody wants it
   * canceled. Its first activities claim it then, instead of one that does nothing else.
   */
  fresh?: true;
}

/** Which numbered events of the run were seen: all below `below`, and the few of `above`. */
export interface SeenEvents {
  below: number;
  above: number[];
}

/** What every activity input carries: who asks, and which events it has consumed so far. */
export interface ActivityScope {
  runId: string;
  generation: number;
  seen: SeenEvents;
  /** The start token, where this activity is to claim the run: see {@link Envelope}. */
  token?: string;
}

/** Failure of a call, a run or an activity, as data. */
export interface Failure {
  code: string;
  message: string;
  retryable: boolean;
  details?: Record<string, unknown>;
}

/** What happens to an agent's own question: to a person's inbox, or to the workflow. */
type QuestionPolicy = 'ask-human' | 'workflow';

/** One attempt of one call, as the workflow wants it made. */
export interface CallRequest {
  /** Stable over attempts: `<runId>-c<12 hex>`, made from run, generation and branch path. */
  callId: string;
  /** 1 for the first. A new attempt exists only where the one before is known unsent, failed or cancelled. */
  attempt: number;
  /** A hash of (run, generation, path, attempt). */
  messageId: string;
  /** The same without the attempt. */
  effectKey: string;
  /** Branch path of the call, for people: `0`, `1/2`, `undo/0`. */
  path: string;
  target: { skill: string } | { agent: string; skill?: string } | { url: string; skill?: string };
  input: unknown;
  /** Time limit of this attempt from the moment its row is written; the store's clock decides. */
  timeoutMs: number;
  /** Longest silence of the peer before the call counts as timed out. */
  noProgressMs: number;
  questionPolicy: QuestionPolicy;
  /** Whether the skill may run twice without harm. */
  repeatable: boolean;
  onUnknown: 'ask-human' | 'resend' | 'fail';
  /** Calls made to undo earlier ones go out also while the run is canceling. */
  compensating: boolean;
}

/** How a call ended. Payload of the event `call:<callId>:<attempt>`, or what `send` returns when it was that fast. */
export type CallOutcome =
  | { status: 'completed'; output: unknown; agent: string; taskId: string }
  | { status: 'failed' | 'rejected' | 'canceled' | 'timed-out'; failure: Failure; agent?: string; taskId?: string }
  /** The agent asks and the policy is `workflow`: answer by `answerCall`, then wait for the same event again. */
  | { status: 'question'; question: AskedQuestion; agent: string; taskId: string };

/** A question as the workflow sees it. */
export interface AskedQuestion {
  id: string;
  prompt: string;
  schema?: Record<string, unknown>;
  actions: AnswerAction[];
  arguments?: unknown;
}

/** A question a workflow asks. */
export interface QuestionRequest {
  /** `<runId>-q<12 hex>`. */
  questionId: string;
  path: string;
  prompt: string;
  schema?: Record<string, unknown>;
  actions: AnswerAction[];
  arguments?: unknown;
  assignee?: string;
  /** Milliseconds until `onDeadline` happens; absent = waits as long as it takes. */
  timeoutMs?: number;
  /** The answer taken at the deadline; absent = the outcome is `expired`. */
  onDeadline?: Answer;
  reminders?: Reminder[];
  escalation?: EscalationStep[];
  /** Where several people must approve. */
  approvals?: ApprovalRule;
  /** A user-named event that answers it too: its payload is the value of an `answer`, or the answer itself. */
  event?: string;
}

/** Payload of the event `answer:<questionId>`: the row's verdict. */
export type QuestionOutcome =
  | { status: 'answered'; answer: Answer; by: string; approvals?: Approval[] }
  | { status: 'expired'; answer?: Answer; approvals?: Approval[] }
  | { status: 'withdrawn' };

/** A wait for a user-named event. */
export interface WaitRequest {
  /** `<runId>-w<12 hex>`. */
  waitId: string;
  /** Compared in lower case. */
  event: string;
  timeoutMs?: number;
}

/** Payload of the event `wait:<waitId>`. */
export type WaitOutcome = { status: 'received'; payload: unknown } | { status: 'timed-out' };

/** A child as its parent opens it. */
export interface ChildRequest {
  /** `<rootRunId>-<12 hex>`, made from the parent's id, its generation and the branch path. */
  childId: string;
  /** Where it stands in its parent, for people: `2`, `2[kitchen]`. */
  path: string;
  workflow: string;
  version: number;
  input: unknown;
  /** Time limit from the moment its row is written; the store's clock decides. */
  timeoutMs?: number;
}

/** The row of a child is there: its instance may be started with this. */
export interface OpenedChild {
  status: 'open';
  /** Follows from the parent's token, so that a parent that is started over gets children that are started over. */
  token: string;
  seen: SeenEvents;
  /** See {@link Envelope}. */
  fresh?: true;
}

/** How a child ended: what its row says, whatever the engine tells. */
export type ChildOutcome = (
  | { status: 'completed'; output: unknown }
  | { status: 'failed' | 'canceled'; failure: Failure }
) & {
  /** Whether it handed back anything to be undone. */
  undoable: boolean;
};

/** An item of a `map` that a lane works on. */
export interface MapItem {
  index: number;
  input: unknown;
}

/** How an item ended. */
export type ItemOutcome = { ok: true; value: unknown } | { ok: false; failure: Failure };

/**
 * What undoes a step, as data: a child hands its list back, and the root undoes it when the child is long over. A child
 * or a map within it stands for the list that was handed back by it.
 */
export type UndoRecord = { label: string; at: number } & UndoData;
export type UndoData =
  | { call: { target: CallRequest['target']; input: unknown } }
  | { activity: { name: string; input: unknown } }
  | HandedUndos
  | { problem: string };

/** Whose undo list: a child's, or the one of all items of a map. */
export type HandedUndos = { childId: string } | { mapId: string };

/** What the claim answers, the first activity of every execution that is not fresh. `stop`: this instance must end without effect. */
export type ClaimOutcome =
  | {
      status: 'go';
      runId: string;
      token: string;
      input: unknown;
      canceled: boolean;
      /** Only of a canceled run: an instance that is gone did something, which is only undone by going through it again. */
      begun?: boolean;
      /** Only of a canceled run: it is in a later generation, and what those before it left to be undone its code says first. */
      handed?: boolean;
    }
  | { status: 'stop'; reason: string };

/** How a run ends. */
export type RunEnd =
  | { status: 'completed'; output: unknown }
  | { status: 'failed'; failure: Failure; undone: string[]; notUndone: string[] }
  | { status: 'canceled'; reason?: string; undone: string[] };

/**
 * The kit's activities, registered with the engine as `mesh.<name>`. `open` means: the outcome comes by event. Inputs
 * and outputs are objects, since falsy values do not survive the SDK.
 */
export interface KitActivities {
  claim(input: {
    instanceId: string;
    workflow: string;
    version: number;
    generation: number;
    /** Absent for an instance started through Dapr's API: `input` is then the raw input, validated by the claim. */
    token?: string;
    input?: unknown;
  }): Promise<ClaimOutcome>;
  send(input: ActivityScope & { call: CallRequest }): Promise<{ status: 'open' } | CallOutcome>;
  /** Answers an agent's question on the workflow's behalf (policy `workflow`). */
  answerCall(input: ActivityScope & { callId: string; attempt: number; answer: Answer }): Promise<{ status: 'ok' }>;
  /** Gives up a call: never sent if it was not, else cancelled; its event still comes, with what really happened. */
  abandon(
    input: ActivityScope & { calls: { callId: string; attempt: number }[]; reason: string },
  ): Promise<{ status: 'ok' }>;
  ask(input: ActivityScope & { question: QuestionRequest }): Promise<{ status: 'open' } | QuestionOutcome>;
  withdraw(input: ActivityScope & { questionIds: string[]; waitIds: string[] }): Promise<{ status: 'ok' }>;
  wait(input: ActivityScope & { wait: WaitRequest }): Promise<{ status: 'open' } | WaitOutcome>;
  /**
   * An event that arrived by Dapr's own raise, without our id: judged by the rows like any other. `proposalId` is the id
   * it gets, the same when the activity is executed again.
   */
  propose(input: ActivityScope & { proposalId: string; event: string; payload: unknown }): Promise<{ status: 'ok' }>;
  progress(input: ActivityScope & { message: string; percent?: number; step?: string }): Promise<{ status: 'ok' }>;
  note(
    input: ActivityScope & {
      /** `resumed` writes none: that any activity is executed shows that the run is not stalled any more. */
      entry: {
        type: 'retry-scheduled' | 'compensation-started' | 'compensation-completed' | 'waiting' | 'resumed';
        data: unknown;
      };
    },
  ): Promise<{ status: 'ok' }>;
  /** A local activity registered by name (own I/O of the coordinator). */
  local(input: ActivityScope & { name: string; key: string; input: unknown }): Promise<{ output: unknown }>;
  /** Writes the row of a child, or tells how it ended where an earlier execution of the parent ran it. */
  openChild(input: ActivityScope & { child: ChildRequest }): Promise<OpenedChild | ChildOutcome>;
  /** How a child whose instance has ended ended; one that did not say is ended here. */
  childEnd(input: ActivityScope & { childId: string }): Promise<ChildOutcome>;
  /** Cancels children; one that was opened and never started just ends. They hand back what is to be undone. */
  cancelChildren(
    input: ActivityScope & { children: { childId: string; started: boolean }[]; reason: string },
  ): Promise<{ status: 'ok' }>;
  /** A part of an undo list that was handed back, in order of completion. */
  handedUndos(
    input: ActivityScope & { of: HandedUndos; from: number },
  ): Promise<{ undos: UndoRecord[]; next?: number }>;
  /** Writes the rows of the items of a map. */
  putItems(input: ActivityScope & { mapId: string; from: number; items: unknown[] }): Promise<{ status: 'ok' }>;
  /** Stores what became of the item a lane has, and gives it the next one; none when all are taken. */
  nextItem(
    input: ActivityScope & {
      mapId: string;
      settled?: { index: number; outcome: ItemOutcome; undos: UndoRecord[] };
      /** What the items are, where their run shall tell how many have ended. */
      progress?: string;
    },
  ): Promise<{ item?: MapItem }>;
  /** A part of the outcomes of a map, in the order of its items. */
  itemOutcomes(
    input: ActivityScope & { mapId: string; from: number },
  ): Promise<{ outcomes: ItemOutcome[]; undoable: boolean; next?: number }>;
  /**
   * The last one: artifact, terminal status, closed calls and withdrawn questions in one commit. A child hands back what
   * undoes it.
   */
  finish(input: ActivityScope & { end: RunEnd; undos?: UndoRecord[] }): Promise<{ status: 'ok' }>;
}

/** Every event raised to an instance: numbered per run so that a repeated one is recognized. */
export interface RaisedEvent extends EventMarks {
  payload: unknown;
}

/** A raised event as it travels. */
export type CarriedEvent = EventMarks & Carried<'payload'>;

interface EventMarks {
  /** The event's number within the run, from 1. */
  n: number;
  token: string;
}

/** Names of the events of the kit. They are refused at the edges when a user sends them. */
export const eventNames = {
  call: (callId: string, attempt: number) => `call:${callId}:${attempt}`,
  answer: (questionId: string) => `answer:${questionId}`,
  wait: (waitId: string) => `wait:${waitId}`,
  cancel: 'cancel',
  /** The run was stalled and is asked to try again. */
  resume: 'mesh:resume',
} as const;

/** Whether an event tells the outcome of a call, a question or a wait: there is one of its name. */
export const isOutcome = (name: string): boolean => /^(?:call|answer|wait):/i.test(name);

/** Whether an event name belongs to the kit. */
export const isKitEvent = (name: string): boolean => /^(?:call:|answer:|wait:|mesh:|cancel$)/i.test(name);
