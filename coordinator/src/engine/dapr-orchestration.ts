import type { Logger } from 'pino';
import type { Envelope } from '../workflow-kit/contract.ts';
import type { Leaf, Orchestration, ReceivedEvent, Wait } from '../workflow-kit/orchestration.ts';
import type { Task, WorkflowContext } from './sdk.ts';
import { carryOverEvents, takeUnawaitedEvents } from './sdk-internals.ts';

/**
 * The kit's view of the SDK's workflow context. Only leaf tasks and one `whenAny` over them are used: `whenAll` throws
 * when a child ends after a failed one and never completes for none, composites do not wake a parent, and a task that
 * had already failed yields undefined instead of throwing.
 */
export class DaprOrchestration implements Orchestration {
  readonly instanceId: string;
  readonly #context: WorkflowContext;
  readonly #logger: Logger;

  constructor(context: WorkflowContext, logger: Logger) {
    this.instanceId = context.getWorkflowInstanceId();
    this.#context = context;
    this.#logger = logger;
  }

  now(): Date {
    return this.#context.getCurrentUtcDateTime();
  }

  activity(name: string, input: object): Leaf {
    return this.#context.callActivity(name, input);
  }

  timer(at: Date): Leaf {
    return this.#context.createTimer(at);
  }

  event(name: string): Leaf {
    return this.#context.waitForExternalEvent(name);
  }

  anyOf(leaves: Wait): unknown {
    // All leaves were made by this class, so they are tasks of the SDK.
    return this.#context.whenAny([...leaves] as Task[]);
  }

  continueAsNew(envelope: Envelope, leftovers: readonly ReceivedEvent[]): void {
    this.#context.continueAsNew(envelope, true);
    carryOverEvents(this.#context, leftovers);
  }

  takeUnawaited(matches: (name: string) => boolean): ReceivedEvent[] {
    return takeUnawaitedEvents(this.#context, matches);
  }

  warn(message: string, fields: Record<string, unknown>): void {
    if (!this.#context.isReplaying()) this.#logger.warn(fields, message);
  }
}
