import protocol from '@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_pb.js';
import pbHelper from '@dapr/dapr/workflow/internal/durabletask/utils/pb-helper.util.js';
import executorModule from '@dapr/dapr/workflow/internal/durabletask/worker/orchestration-executor.js';
import registryModule from '@dapr/dapr/workflow/internal/durabletask/worker/registry.js';
import type { Logger } from 'pino';
import { WorkflowContext } from '../../engine/sdk.ts';
import { routeSdkLogs } from '../../engine/sdk-logs.ts';
import { toDaprWorkflow } from '../../engine/dapr-workflow.ts';
import { stallOf } from '../../engine/stall-guard.ts';
import { type ActivityMessage, type ActivityName, answerActivity } from '../activity-message.ts';
import type { KitActivities } from '../contract.ts';
import type { WorkflowDefinition } from '../workflow.ts';

type HistoryEvent = Parameters<InstanceType<typeof executorModule.OrchestrationExecutor>['execute']>[1][number];
type Status = 'running' | 'completed' | 'failed' | 'stalled';

const startOfTime = Date.UTC(2026, 0, 1);

/**
 * A workflow engine without a process, a network and a clock: one instance, driven turn by turn by the executor of the
 * real SDK, which replays the whole history each time. Time stands still, and jumps to the next timer when nothing else
 * is left to happen.
 */
export class ReplayEngine {
  readonly instanceId: string;
  readonly #activities: KitActivities;
  readonly #logger: Logger;
  #definition: WorkflowDefinition;
  #history: HistoryEvent[] = [];
  #inbox: HistoryEvent[] = [];
  #timers: { id: number; at: number }[] = [];
  #underway = new Set<Promise<void>>();
  /** Counts generations: results of activities of an earlier one are dropped. */
  #generation = 0;
  now = startOfTime;
  turns = 0;
  status: Status = 'running';
  output: unknown;
  failure: { type: string; message: string } | undefined;
  /** Called before each turn with its number, from 1. */
  beforeTurn: (turn: number) => void = () => undefined;
  /** Jump to the next timer when idle. */
  autoTime = true;

  constructor(options: {
    definition: WorkflowDefinition;
    activities: KitActivities;
    instanceId: string;
    logger: Logger;
  }) {
    routeSdkLogs(options.logger);
    this.#definition = options.definition;
    this.#activities = options.activities;
    this.#logger = options.logger;
    this.instanceId = options.instanceId;
  }

  start(input: unknown): void {
    this.#inbox.push(pbHelper.newExecutionStartedEvent('workflow', this.instanceId, JSON.stringify(input)));
  }

  raise(name: string, payload: unknown): void {
    this.#inbox.push(pbHelper.newEventRaisedEvent(name, JSON.stringify(payload)));
  }

  /** From now on turns are replayed with other code. */
  replaceCode(definition: WorkflowDefinition): void {
    this.#definition = definition;
    if (this.status === 'stalled') this.status = 'running';
  }

  /** Makes turns until nothing is left to happen. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.status === 'running' && this.#inbox.length > 0) {
        this.beforeTurn(++this.turns);
        await this.#turn();
      } else if (this.#underway.size > 0) await Promise.race(this.#underway);
      else if (this.status !== 'running' || !this.autoTime || !this.fireNextTimer()) return;
    }
  }

  /** Jumps to the next timer; false where there is none. */
  fireNextTimer(): boolean {
    const [timer] = this.#timers.toSorted((a, b) => a.at - b.at);
    if (!timer) return false;
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.now = Math.max(this.now, timer.at);
    this.#inbox.push(pbHelper.newTimerFiredEvent(timer.id, new Date(timer.at)));
    return true;
  }

  async #turn(): Promise<void> {
    const events = [pbHelper.newOrchestratorStartedEvent(new Date(this.now)), ...this.#inbox];
    this.#inbox = [];
    const registry = new registryModule.Registry();
    const workflow = toDaprWorkflow(this.#definition, this.#logger);
    registry.addNamedOrchestrator(
      'workflow',
      (context: ConstructorParameters<typeof WorkflowContext>[0], input: unknown) =>
        workflow(new WorkflowContext(context), input),
    );
    const executor = new executorModule.OrchestrationExecutor(registry);
    const { actions } = await executor.execute(this.instanceId, this.#history, events);
    this.#history.push(...events);
    const stall = stallOf({ getInstanceid: () => this.instanceId, getActionsList: () => actions, setActionsList() {} });
    if (stall) {
      this.status = 'stalled';
      this.failure = { type: stall.reason, message: stall.message };
      return;
    }
    for (const action of actions) this.#act(action);
  }

  #act(
    action: Awaited<
      ReturnType<InstanceType<typeof executorModule.OrchestrationExecutor>['execute']>
    >['actions'][number],
  ): void {
    const id = action.getId();
    const task = action.getScheduletask();
    const timer = action.getCreatetimer();
    const end = action.getCompleteorchestration();
    if (task) {
      const input = task.getInput()?.getValue();
      this.#history.push(pbHelper.newTaskScheduledEvent(id, task.getName(), input));
      this.#execute(id, task.getName(), input);
    } else if (timer) {
      const at = timer.getFireat()?.toDate() ?? new Date(this.now);
      this.#history.push(pbHelper.newTimerCreatedEvent(id, at));
      this.#timers.push({ id, at: at.getTime() });
    } else if (
      end &&
      end.getOrchestrationstatus() === protocol.OrchestrationStatus.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    ) {
      this.#generation++;
      this.#history = [];
      this.#timers = [];
      this.#inbox = [
        pbHelper.newExecutionStartedEvent('workflow', this.instanceId, end.getResult()?.getValue()),
        ...end.getCarryovereventsList(),
        ...this.#inbox,
      ];
    } else if (end) {
      const failure = end.getFailuredetails();
      this.status = failure ? 'failed' : 'completed';
      this.failure = failure && { type: failure.getErrortype(), message: failure.getErrormessage() };
      this.output = JSON.parse(end.getResult()?.getValue() ?? 'null');
    }
  }

  #execute(id: number, registeredName: string, input: string | undefined): void {
    // The kit registers its activities as `mesh.<name>`.
    const name = registeredName.replace(/^mesh\./, '') as ActivityName;
    // The kit always sends a message.
    const message = JSON.parse(input ?? '') as ActivityMessage;
    const generation = this.#generation;
    const work = answerActivity(this.#activities, name, message, () => undefined).then((reply) => {
      this.#underway.delete(work);
      if (generation === this.#generation) this.#inbox.push(pbHelper.newTaskCompletedEvent(id, JSON.stringify(reply)));
    });
    this.#underway.add(work);
  }
}
