import { type CarriedEvent, type SeenEvents, isKitEvent } from './contract.ts';
import { EventNumbers } from './event-numbers.ts';
import type { Leaf, Orchestration, ReceivedEvent } from './orchestration.ts';
import type { Carried } from './payloads.ts';

/**
 * The events of a run. There is at most one waiter per name, kept until it got its event: the engine gives an event to
 * the oldest waiter, so a waiter that was forgotten would swallow one. What was seen before (raised again after a
 * restart) and what does not carry the run's token is dropped here.
 */
export class Events {
  readonly #orchestration: Orchestration;
  readonly #numbers: EventNumbers;
  readonly #waiters = new Map<string, Leaf>();
  readonly #ignored = new Set<string>();
  /** The start token of the run; unknown until the claim when the run was started through Dapr's API. */
  token: string;

  constructor(orchestration: Orchestration, token: string, seen: SeenEvents) {
    this.#orchestration = orchestration;
    this.#numbers = new EventNumbers(seen);
    this.token = token;
  }

  /** Completes when the next event of this name arrives. */
  waiter(name: string): Leaf {
    const key = name.toLowerCase();
    const waiting = this.#waiters.get(key);
    if (waiting) return waiting;
    const leaf = this.#orchestration.event(key);
    this.#waiters.set(key, leaf);
    return leaf;
  }

  /** Takes the payload of an event of the kit, if one arrived. */
  take(name: string): Carried<'payload'> | undefined {
    for (let received = this.takeRaw(name); received; received = this.takeRaw(name)) {
      const event = this.#accept({ name, value: received.payload });
      if (event) return event;
    }
    return undefined;
  }

  /** Takes the payload of an event that is not the kit's, if one arrived. */
  takeRaw(name: string): { payload: unknown } | undefined {
    const leaf = this.waiter(name);
    if (!leaf.isComplete) return undefined;
    this.#waiters.delete(name.toLowerCase());
    return { payload: leaf.getResult() };
  }

  /** Nobody waits for this event any more: when it comes it only counts as seen. */
  ignore(name: string): void {
    this.#ignored.add(name);
  }

  /** Which events were seen so far. */
  seen(): SeenEvents {
    for (const name of this.#ignored) if (this.take(name)) this.#ignored.delete(name);
    return this.#numbers.snapshot();
  }

  /**
   * What the next generation must be given: user-named events that arrived and were not taken. Events of the kit are
   * named after ids of this generation; none of them can be awaited later, so they count as seen.
   */
  close(): ReceivedEvent[] {
    const untaken = [...this.#waiters].flatMap(([name, leaf]) =>
      leaf.isComplete ? [{ name, value: leaf.getResult() }] : [],
    );
    const stale = this.#orchestration.takeUnawaited(isKitEvent);
    for (const event of [...untaken, ...stale]) if (isKitEvent(event.name)) this.#accept(event);
    return untaken.filter((event) => !isKitEvent(event.name));
  }

  #accept({ name, value }: ReceivedEvent): Carried<'payload'> | undefined {
    if (!isCarriedEvent(value) || value.token !== this.token) {
      this.#orchestration.warn('dropped an event of the kit that does not carry the token of the run', { event: name });
      return undefined;
    }
    return this.#numbers.add(value.n) ? value : undefined;
  }
}

function isCarriedEvent(value: unknown): value is CarriedEvent {
  return (
    typeof value === 'object' &&
    value !== null &&
    'n' in value &&
    typeof value.n === 'number' &&
    'token' in value &&
    typeof value.token === 'string' &&
    ('payload' in value || 'ref' in value)
  );
}
