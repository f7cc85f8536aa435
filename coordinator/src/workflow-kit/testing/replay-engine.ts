import type { Logger } from 'pino';
import { messages, newMessage } from '../../engine/sdk.ts';
import { type ActivityMessage, type ActivityName, answerActivity } from '../activity-message.ts';
import type { KitActivities, RaisedEvent } from '../contract.ts';
import { Payloads } from '../payloads.ts';
import { withChildren } from '../with-children.ts';
import { registeredName, type WorkflowDefinition } from '../workflow.ts';
import { executeTurn } from './execute-turn.ts';
import type { Action, HistoryEvent } from './recorded-run.ts';

type Status = 'running' | 'completed' | 'failed' | 'stalled' | 'terminated';

interface Clock {
  now: number;
  alarms: { at: number; ring: () => void }[];
}

const startOfTime = Date.UTC(2026, 0, 1);

/**
 * A workflow engine without a process, a network and a clock: one instance and its children, driven turn by turn by the
 * executor of the real SDK, which replays the whole history each time. Time stands still, and jumps to the next timer
 * when nothing else is left to happen.
 */
export class ReplayEngine {
  readonly instanceId: string;
  readonly #activities: KitActivities;
  readonly #logger: Logger;
  #payloads: Payloads;
  #definition: WorkflowDefinition;
  #history: HistoryEvent[] = [];
  #inbox: HistoryEvent[] = [];
  #timers: { id: number; at: number }[] = [];
  #underway = new Set<Promise<void>>();
  /** Counts generations: results of activities of an earlier one are dropped. */
  #generation = 0;
  /** Where this instance is a child: told of its end. */
  readonly #onEnd: (() => void) | undefined;
  readonly #clock: Clock;
  /** By instance id: those this instance started. */
  readonly children = new Map<string, ReplayEngine>();
  turns = 0;
  /** What each generation that has ended came to: events of its history, and bytes of the input of the next. */
  readonly generations: { events: number; inputBytes: number }[] = [];
  status: Status = 'running';
  output: unknown;
  failure: { type: string; message: string } | undefined;
  /** Called before each turn with its number, from 1. */
  beforeTurn: (turn: number) => void = () => undefined;
  #stopped = false;
  /** Which of the instances that could make a turn does; the first by default. */
  choose: (ready: number) => number = () => 0;
  /** Jump to the next timer when idle. */
  autoTime = true;

  constructor(options: {
    definition: WorkflowDefinition;
    activities: KitActivities;
    instanceId: string;
    logger: Logger;
    payloads?: Payloads;
    /** Only for children. */
    onEnd?: () => void;
    clock?: Clock;
  }) {
    this.#definition = options.definition;
    this.#activities = options.activities;
    this.#logger = options.logger;
    this.#payloads = options.payloads ?? new Payloads();
    this.instanceId = options.instanceId;
    this.#onEnd = options.onEnd;
    this.#clock = options.clock ?? { now: startOfTime, alarms: [] };
  }

  get now(): number {
    return this.#clock.now;
  }

  /** This instance and everything below it. */
  get tree(): ReplayEngine[] {
    return [this, ...[...this.children.values()].flatMap((child) => child.tree)];
  }

  /** Ends this instance from outside, and none of its children, as the SDK's client does. */
  terminate(): void {
    this.status = 'terminated';
    this.failure = { type: 'Terminated', message: 'terminated' };
    this.#onEnd?.();
  }

  start(input: unknown): void {
    this.#inbox.push(newMessage.newExecutionStartedEvent('workflow', this.instanceId, JSON.stringify(input)));
  }

  raise(name: string, payload: unknown, instanceId = this.instanceId): void {
    const instance = this.tree.find((each) => each.instanceId === instanceId) ?? this;
    if (isRaisedEvent(payload)) instance.#raiseCarried(name, payload);
    else instance.#inbox.push(newMessage.newEventRaisedEvent(name, JSON.stringify(payload)));
  }

  /** An event of the kit, its payload carried as the engine's client does it. */
  #raiseCarried(name: string, { payload, ...marks }: RaisedEvent): void {
    const work = this.#payloads.pack(this.instanceId, 'payload', payload).then((carried) => {
      this.#underway.delete(work);
      this.#inbox.push(newMessage.newEventRaisedEvent(name, JSON.stringify({ ...marks, ...carried })));
    });
    this.#underway.add(work);
  }

  /** How much of the history there is, as it is stored and sent. */
  get historyBytes(): number {
    return this.#history.reduce((bytes, event) => bytes + event.serializeBinary().length, 0);
  }

  /** From now on turns are replayed with other code, or by another process. */
  replaceCode(definition: WorkflowDefinition, payloads?: Payloads): void {
    this.#definition = definition;
    if (payloads) this.#payloads = payloads;
    if (this.status === 'stalled') this.status = 'running';
  }

  /** The process dies: no more turns are made. */
  stop(): void {
    this.#stopped = true;
  }

  /** How many events the present generation has. */
  get historyLength(): number {
    return this.#history.length;
  }

  /** Makes turns until nothing is left to happen. */
  async settle(): Promise<void> {
    while (!this.#stopped) {
      await new Promise((resolve) => setImmediate(resolve));
      const { tree } = this;
      const ready = tree.filter((each) => each.status === 'running' && each.#inbox.length > 0);
      const underway = tree.flatMap((each) => Array.from(each.#underway));
      const chosen = ready[this.choose(ready.length)] ?? ready[0];
      if (chosen) {
        this.beforeTurn(++this.turns);
        await chosen.#turn();
      } else if (underway.length > 0) await Promise.race(underway);
      else if (!this.autoTime || !this.fireNextTimer()) return;
    }
  }

  /** Has something outside the workflow happen at a time: a deadline that passes. */
  setAlarm(afterMs: number, ring: () => void): void {
    this.#clock.alarms.push({ at: this.now + afterMs, ring });
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      await this.settle();
      if (!this.#ringBefore(until)) break;
    }
    this.#clock.now = Math.max(this.now, until);
  }

  #ringBefore(until: number): boolean {
    const [alarm] = this.#clock.alarms.toSorted((a, b) => a.at - b.at);
    if (!alarm || alarm.at > until) return false;
    this.#clock.alarms = this.#clock.alarms.filter((other) => other !== alarm);
    this.#clock.now = Math.max(this.now, alarm.at);
    alarm.ring();
    return true;
  }

  /** Jumps to the next timer, past the alarms before it; false where there is none. */
  fireNextTimer(): boolean {
    const all = this.tree.filter((each) => each.status === 'running');
    const timers = all.flatMap((each) => each.#timers.map((timer) => ({ each, timer })));
    const [next] = timers.toSorted((a, b) => a.timer.at - b.timer.at);
    if (!next) return false;
    const { each, timer } = next;
    if (this.#ringBefore(timer.at)) return true;
    each.#timers = each.#timers.filter((other) => other !== timer);
    this.#clock.now = Math.max(this.now, timer.at);
    each.#inbox.push(newMessage.newTimerFiredEvent(timer.id, new Date(timer.at)));
    return true;
  }

  async #turn(): Promise<void> {
    const events = [newMessage.newOrchestratorStartedEvent(new Date(this.now)), ...this.#inbox];
    this.#inbox = [];
    const { actions, stall } = await executeTurn(this.#definition, this.instanceId, [this.#history, events], {
      logger: this.#logger,
      payloads: this.#payloads,
    });
    this.#history.push(...events);
    if (stall) {
      this.status = 'stalled';
      this.failure = { type: stall.reason, message: stall.message };
      return;
    }
    for (const action of actions) this.#act(action);
  }

  #act(action: Action): void {
    const id = action.getId();
    const task = action.getScheduletask();
    const timer = action.getCreatetimer();
    const child = action.getCreatesuborchestration();
    const end = action.getCompleteorchestration();
    if (child) {
      const input = child.getInput()?.getValue();
      this.#history.push(newMessage.newSubOrchestrationCreatedEvent(id, child.getName(), child.getInstanceid(), input));
      this.#startChild(id, child.getName(), child.getInstanceid(), input);
    } else if (task) {
      const input = task.getInput()?.getValue();
      this.#history.push(newMessage.newTaskScheduledEvent(id, task.getName(), input));
      this.#execute(id, task.getName(), input);
    } else if (timer) {
      const at = timer.getFireat()?.toDate() ?? new Date(this.now);
      this.#history.push(newMessage.newTimerCreatedEvent(id, at));
      this.#timers.push({ id, at: at.getTime() });
    } else if (
      end &&
      end.getOrchestrationstatus() === messages.OrchestrationStatus.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    ) {
      this.#generation++;
      const inputBytes = Buffer.byteLength(end.getResult()?.getValue() ?? '');
      this.generations.push({ events: this.#history.length, inputBytes });
      this.#history = [];
      this.#timers = [];
      this.#inbox = [
        newMessage.newExecutionStartedEvent('workflow', this.instanceId, end.getResult()?.getValue()),
        ...end.getCarryovereventsList(),
        ...this.#inbox,
      ];
    } else if (end) {
      const failure = end.getFailuredetails();
      this.status = failure ? 'failed' : 'completed';
      this.failure = failure && { type: failure.getErrortype(), message: failure.getErrormessage() };
      this.output = JSON.parse(end.getResult()?.getValue() ?? 'null');
      this.#onEnd?.();
    }
  }

  #startChild(id: number, name: string, instanceId: string, input: string | undefined): void {
    const definition = withChildren([this.#definition]).find((each) => registeredName(each) === name);
    const generation = this.#generation;
    const tell = (event: HistoryEvent): void => {
      if (generation === this.#generation) this.#inbox.push(event);
    };
    const failed = (message: string): void => tell(newMessage.newSubOrchestrationFailedEvent(id, new Error(message)));
    if (!definition) return failed(`no workflow ${name}`);
    const occupied = this.children.get(instanceId);
    if (occupied?.status === 'running') return failed(`${instanceId} exists`);
    const child = new ReplayEngine({
      definition,
      activities: this.#activities,
      instanceId,
      logger: this.#logger,
      payloads: this.#payloads,
      clock: this.#clock,
      onEnd: () =>
        child.failure
          ? failed(child.failure.message)
          : tell(newMessage.newSubOrchestrationCompletedEvent(id, JSON.stringify(child.output))),
    });
    this.children.set(instanceId, child);
    child.start(JSON.parse(input ?? 'null'));
  }

  #execute(id: number, activity: string, input: string | undefined): void {
    // The kit registers its activities as `mesh.<name>`.
    const name = activity.replace(/^mesh\./, '') as ActivityName;
    // The kit always sends a message.
    const message = JSON.parse(input ?? '') as ActivityMessage;
    const generation = this.#generation;
    const work = answerActivity(this.#activities, name, message, {
      payloads: this.#payloads,
      onError: () => undefined,
    }).then((reply) => {
      this.#underway.delete(work);
      if (generation === this.#generation)
        this.#inbox.push(newMessage.newTaskCompletedEvent(id, JSON.stringify(reply)));
    });
    this.#underway.add(work);
  }
}

const isRaisedEvent = (value: unknown): value is RaisedEvent =>
  typeof value === 'object' && value !== null && 'token' in value && 'payload' in value;
