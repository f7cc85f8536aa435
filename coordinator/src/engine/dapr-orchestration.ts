import type { Logger } from 'pino';
import type { CarriedEnvelope } from '../workflow-kit/contract.ts';
import type { Leaf, Orchestration, ReceivedEvent, Wait } from '../workflow-kit/orchestration.ts';
import type { Task, WorkflowContext } from './sdk.ts';
import { allowAllEventNames, carryOverEvents, takeUnawaitedEvents } from './sdk-context.ts';

/**
 * The kit's view of the SDK's workflow context. Only leaf tasks and one `whenAny` over them are used: `whenAll` throws
 * when a child ends after a failed one and never completes for none, composites do not wake a parent, and a task that
 * had already failed yields undefined instead of throwing.
 */
export class DaprOrchestration implements Orchestration {
  readonly instanceId: string;
  readonly #context: WorkflowContext;
  readonly #logger: Logger;
  readonly #leaves = new WeakSet<Leaf>();

  constructor(context: WorkflowContext, logger: Logger) {
    this.instanceId = context.getWorkflowInstanceId();
    this.#context = context;
    this.#logger = logger;
    allowAllEventNames(context);
  }

  now(): Date {
    return this.#context.getCurrentUtcDateTime();
  }

  activity(name: string, input: object): Leaf {
    return this.#leaf(this.#context.callActivity(name, input));
  }

  timer(at: Date): Leaf {
    return this.#leaf(this.#context.createTimer(at));
  }

  child(name: string, envelope: CarriedEnvelope, instanceId: string): Leaf {
    return this.#leaf(this.#context.callChildWorkflow(name, envelope, instanceId));
  }

  event(name: string): Leaf {
    return this.#leaf(this.#context.waitForExternalEvent(name));
  }

  anyOf(leaves: Wait): unknown {
    // A composite in it would never wake the run, and neither would what is no task at all.
    if (!leaves.every((leaf) => this.#leaves.has(leaf))) {
      throw new TypeError('a workflow may only yield waits that the kit made: use yield* for its steps');
    }
    // All leaves were made by this class, so they are tasks of the SDK.
    return this.#context.whenAny([...leaves] as Task[]);
  }

  continueAsNew(envelope: CarriedEnvelope, leftovers: readonly ReceivedEvent[]): void {
    this.#context.continueAsNew(envelope, true);
    carryOverEvents(this.#context, leftovers);
  }

  takeUnawaited(matches: (name: string) => boolean): ReceivedEvent[] {
    return takeUnawaitedEvents(this.#context, matches);
  }

  showStatus(status: object): void {
    // One that is no string is lost on the way.
    this.#context.setCustomStatus(JSON.stringify(status));
  }

  warn(message: string, fields: Record<string, unknown>): void {
    if (!this.#context.isReplaying()) this.#logger.warn(fields, message);
  }

  #leaf(task: Leaf): Leaf {
    this.#leaves.add(task);
    return task;
  }
}
