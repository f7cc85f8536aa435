import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '@daca-mesh/protocol';
import type { ActivityEngine } from '../../coordinator.ts';
import type { InstanceStatus } from '../../outbox/run-engine.ts';
import {
  type ActivityScope,
  type Envelope,
  eventNames,
  type KitActivities,
  type RaisedEvent,
} from '../../workflow-kit/contract.ts';

/** What a scripted workflow works with: the activities of the run, and its events. */
export interface Step {
  activities: KitActivities;
  runId: string;
  input: unknown;
  scope: () => ActivityScope;
  /** The payload of the next event of this name. */
  event: (name: string) => Promise<unknown>;
  /** Sends a call and waits until it is settled. */
  call: (request: Parameters<KitActivities['send']>[0]['call']) => Promise<unknown>;
}

/** A workflow as plain code, executed from its start by each instance. */
export type Script = (step: Step) => Promise<void>;

interface Instance {
  status: InstanceStatus;
  envelope: Envelope;
  received: { name: string; event: RaisedEvent }[];
  wake: PromiseWithResolvers<void>;
}

/**
 * An engine that keeps nothing: an instance is a function call, gone with the engine. What survives of a run is its
 * rows, so a test that replaces the engine shows that they are enough.
 */
export class ScriptedEngine implements ActivityEngine {
  readonly instances = new Map<string, Instance>();
  readonly raised: { runId: string; name: string; n: number }[] = [];
  readonly starts: string[] = [];
  readonly failures: unknown[] = [];
  /** While false every request is refused, as by an engine that is away. */
  up = true;
  /** While false it is connected and serves nothing. */
  serves = true;
  readonly activities: KitActivities;
  readonly #scripts: Record<string, Script>;
  readonly #reconnected = new Set<() => void>();

  constructor(activities: KitActivities, scripts: Record<string, Script>) {
    this.activities = activities;
    this.#scripts = scripts;
  }

  async start(): Promise<void> {
    // Nothing to connect to.
  }

  async close(): Promise<void> {
    this.up = false;
  }

  ready(): boolean {
    return this.up;
  }

  onStall(): void {
    // A script never stalls.
  }

  onLongHistory(): void {
    // A script has no history.
  }

  onReconnect(listener: () => void): void {
    this.#reconnected.add(listener);
  }

  reconnect(): void {
    this.up = true;
    for (const listener of this.#reconnected) listener();
  }

  async startInstance(runId: string, workflow: string, version: number, envelope: Envelope): Promise<void> {
    this.#check();
    this.starts.push(envelope.token);
    if (this.instances.has(runId)) return;
    const instance: Instance = { status: 'running', envelope, received: [], wake: Promise.withResolvers() };
    this.instances.set(runId, instance);
    const script = this.#scripts[workflow];
    this.#execute(runId, workflow, version, instance, script).catch((error: unknown) => {
      instance.status = 'failed';
      this.failures.push(error);
    });
  }

  async raise(runId: string, name: string, event: RaisedEvent): Promise<'accepted' | 'no-instance'> {
    this.#check();
    const instance = this.instances.get(runId);
    if (instance?.status !== 'running') return 'no-instance';
    this.raised.push({ runId, name, n: event.n });
    instance.received.push({ name, event });
    instance.wake.resolve();
    instance.wake = Promise.withResolvers();
    return 'accepted';
  }

  async status(runId: string): Promise<InstanceStatus> {
    this.#check();
    return this.instances.get(runId)?.status ?? 'missing';
  }

  /** Every resume that was asked for. */
  readonly resumed: string[] = [];

  async resume(runId: string): Promise<void> {
    this.#check();
    this.resumed.push(runId);
  }

  async terminate(runId: string): Promise<void> {
    const instance = this.instances.get(runId);
    if (instance) instance.status = 'terminated';
  }

  async purge(runId: string): Promise<void> {
    this.instances.delete(runId);
  }

  #check(): void {
    if (!this.up || !this.serves) throw new MeshError('UNAVAILABLE', 'the engine is away', { retryable: true });
  }

  async #execute(
    runId: string,
    workflow: string,
    version: number,
    instance: Instance,
    script: Script | undefined,
  ): Promise<void> {
    const { token, generation } = instance.envelope;
    const claimed = await this.activities.claim({ instanceId: runId, workflow, version, generation, token });
    if (claimed.status === 'go' && script) await script(this.#step(runId, claimed.input, instance));
    if (instance.status === 'running') instance.status = 'completed';
  }

  #step(runId: string, input: unknown, instance: Instance): Step {
    const seen = new Set<number>();
    const scope = (): ActivityScope => ({
      runId,
      generation: instance.envelope.generation,
      seen: { below: instance.envelope.seen.below, above: [...seen] },
    });
    const event = async (name: string): Promise<unknown> => {
      for (;;) {
        if (!this.up || instance.status !== 'running') await sleep(2 ** 30, undefined, { ref: false });
        const { wake } = instance;
        const found = instance.received.find((each) => each.name === name && !seen.has(each.event.n));
        if (found) {
          seen.add(found.event.n);
          return found.event.payload;
        }
        await wake.promise;
      }
    };
    return {
      activities: this.activities,
      runId,
      input,
      scope,
      event,
      call: async (call) => {
        const sent = await this.activities.send({ ...scope(), call });
        return sent.status === 'open' ? await event(eventNames.call(call.callId, call.attempt)) : sent;
      },
    };
  }
}
