/* oxlint-disable no-underscore-dangle -- the private fields of the SDK are named so */
import type { ReceivedEvent } from '../workflow-kit/orchestration.ts';
import type { WorkflowContext } from './sdk.ts';

/**
 * What we do to the private fields of the SDK's `RuntimeOrchestrationContext`. `sdk-generation.ts` has checked that they
 * exist.
 */
interface SdkContext {
  /** Waiters by event name. */
  _pendingEvents: Record<string, unknown[]>;
  /** Events that nobody waited for, by name. */
  _receivedEvents: Record<string, unknown[]>;
  getActions(): unknown[];
}

/**
 * The SDK looks names up in plain objects, so that an event called `constructor` finds the function of that name and
 * fails the instance. For a context that was not used yet.
 */
export function allowAllEventNames(context: WorkflowContext): void {
  const inner = contextOf(context);
  inner._pendingEvents = Object.create(null) as Record<string, unknown[]>;
  inner._receivedEvents = Object.assign(Object.create(null) as Record<string, unknown[]>, inner._receivedEvents);
}

/** The events of an instance that arrived and that nobody waited for, removed where the name matches. */
export function takeUnawaitedEvents(context: WorkflowContext, matches: (name: string) => boolean): ReceivedEvent[] {
  const received = contextOf(context)._receivedEvents;
  const names = Object.keys(received).filter(matches);
  const taken = names.flatMap((name) => (received[name] ?? []).map((value) => ({ name, value })));
  for (const name of names) delete received[name];
  return taken;
}

/**
 * Has events carried over by a continue-as-new that was just asked for. One that arrives later in the same turn would go
 * to a waiter of the ended generation and be lost; without waiters it counts as unawaited, and is carried over too.
 */
export function carryOverEvents(context: WorkflowContext, events: readonly ReceivedEvent[]): void {
  const inner = contextOf(context);
  inner._pendingEvents = Object.create(null) as Record<string, unknown[]>;
  for (const { name, value } of events) {
    const key = name.toLowerCase();
    inner._receivedEvents[key] = [value, ...(inner._receivedEvents[key] ?? [])];
  }
  const getActions = inner.getActions.bind(inner);
  inner.getActions = () => {
    for (const [name, values] of Object.entries(inner._receivedEvents))
      inner._receivedEvents[name] = values.map(truthy);
    return getActions();
  };
}

/** The SDK carries a falsy payload over as none at all. This one is not falsy, and is written as the same JSON. */
function truthy(value: unknown): unknown {
  return value === undefined || value ? value : { toJSON: () => value };
}

function contextOf(context: WorkflowContext): SdkContext {
  // Its fields were checked at the start.
  return Reflect.get(context, '_innerContext') as SdkContext;
}
