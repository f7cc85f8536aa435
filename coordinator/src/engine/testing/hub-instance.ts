import { messages, newMessage } from '../sdk.ts';
import type { TurnAnswer, TurnRequest } from '../sdk-worker.ts';
import type { TaskHub } from './task-hub.ts';

export type HistoryEvent = ReturnType<TurnRequest['getNeweventsList']>[number];

/** What a turn did. */
export interface Turn {
  /** The results of the activities it asked for, to be part of a turn to come. */
  completions: HistoryEvent[];
  /** How it ended the instance or the generation. */
  end: ReturnType<ReturnType<TurnAnswer['getActionsList']>[number]['getCompleteorchestration']>;
}

export const endings = messages.OrchestrationStatus;

/** One instance of a workflow in a `TaskHub`: a test says which events come in one turn. */
export class HubInstance {
  readonly #hub: TaskHub;
  readonly #history: HistoryEvent[] = [];
  readonly id: string;

  constructor(hub: TaskHub, id: string) {
    this.#hub = hub;
    this.id = id;
  }

  start(workflow: string, input: unknown): Promise<Turn> {
    return this.turn([newMessage.newExecutionStartedEvent(workflow, this.id, JSON.stringify(input))]);
  }

  async turn(events: readonly HistoryEvent[]): Promise<Turn> {
    const fresh = [newMessage.newOrchestratorStartedEvent(new Date()), ...events];
    const answer = await this.#hub.turn(this.id, this.#history, fresh);
    this.#history.push(...fresh);
    const completions: HistoryEvent[] = [];
    let end: Turn['end'];
    for (const action of answer.getActionsList()) {
      end ??= action.getCompleteorchestration();
      const task = action.getScheduletask();
      if (!task) continue;
      const input = task.getInput()?.getValue() ?? '';
      this.#history.push(newMessage.newTaskScheduledEvent(action.getId(), task.getName(), input));
      const done = await this.#hub.activity(this.id, action.getId(), task.getName(), input);
      completions.push(newMessage.newTaskCompletedEvent(action.getId(), done.getResult()?.getValue()));
    }
    return { completions, end };
  }

  /** Makes turns until no activity is left to be executed. */
  async settle(turn: Turn): Promise<Turn> {
    let last = turn;
    while (last.completions.length > 0) last = await this.turn(last.completions);
    return last;
  }
}

/** An event as Dapr's API takes it: with any text for a payload. */
export const rawEvent = (name: string, text?: string): HistoryEvent => newMessage.newEventRaisedEvent(name, text);
