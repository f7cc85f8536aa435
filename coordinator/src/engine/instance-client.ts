import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import type { InstanceStatus } from '../outbox/run-engine.ts';
import type { CarriedEnvelope, CarriedEvent } from '../workflow-kit/contract.ts';
import type { EngineAddress } from './address.ts';
import { grpcCodes, meaningOf, toEngineError } from './engine-error.ts';
import { type EngineTiming, toGrpcOptions } from './grpc-options.ts';
import { DaprWorkflowClient } from './sdk.ts';
import { closeClient, readStatus } from './sdk-client.ts';

export interface InstanceClientOptions {
  address: EngineAddress;
  apiToken: string | undefined;
  interceptors: readonly Interceptor[];
  timing: EngineTiming;
}

/** The SDK's client with time limits, and errors a caller can act upon. */
export class InstanceClient {
  readonly #options: InstanceClientOptions;
  #client: DaprWorkflowClient;

  constructor(options: InstanceClientOptions) {
    this.#options = options;
    this.#client = createClient(options);
  }

  /** Takes a new connection: the one of before may be stuck where it is made, which has no time limit. */
  reconnect(): void {
    this.close();
    this.#client = createClient(this.#options);
  }

  /** Succeeds also where the instance exists. One that timed out may start later: the claim makes that harmless. */
  async start(instanceId: string, workflow: string, envelope: CarriedEnvelope): Promise<void> {
    await this.#attempt(`start ${instanceId}`, grpcCodes.alreadyExists, () =>
      this.#client.scheduleNewWorkflow(workflow, envelope, instanceId),
    );
  }

  async raise(instanceId: string, eventName: string, event: CarriedEvent): Promise<'accepted' | 'no-instance'> {
    const { done } = await this.#attempt(`raise an event to ${instanceId}`, grpcCodes.notFound, () =>
      this.#client.raiseEvent(instanceId, eventName, event),
    );
    return done ? 'accepted' : 'no-instance';
  }

  async status(instanceId: string): Promise<InstanceStatus> {
    const { value } = await this.#attempt(`look at ${instanceId}`, grpcCodes.notFound, () =>
      readStatus(this.#client, instanceId),
    );
    return value === undefined ? 'missing' : (statusNames[value] ?? 'stalled');
  }

  /** Succeeds also where there is none. */
  async resume(instanceId: string): Promise<void> {
    await this.#attempt(`resume ${instanceId}`, grpcCodes.notFound, () => this.#client.resumeWorkflow(instanceId));
  }

  /** Terminates it alone: the SDK of 3.18 does not reach its children. */
  async terminate(instanceId: string): Promise<void> {
    await this.#attempt(`terminate ${instanceId}`, grpcCodes.notFound, () =>
      this.#client.terminateWorkflow(instanceId, { terminated: true }),
    );
  }

  /** Succeeds also where there is none. One that is not over is refused. */
  async purge(instanceId: string): Promise<void> {
    await this.#attempt(`purge ${instanceId}`, grpcCodes.notFound, () => this.#client.purgeWorkflow(instanceId));
  }

  close(): void {
    closeClient(this.#client);
  }

  async #attempt<T>(
    what: string,
    tolerated: number,
    request: () => Promise<T>,
  ): Promise<{ done: true; value: T } | { done: false; value: undefined }> {
    try {
      return { done: true, value: await request() };
    } catch (error) {
      if (meaningOf(error) === tolerated) return { done: false, value: undefined };
      throw toEngineError(error, what);
    }
  }
}

function createClient({ address, apiToken, interceptors, timing }: InstanceClientOptions): DaprWorkflowClient {
  const withDeadline: Interceptor = (options, next) =>
    new InterceptingCall(next({ ...options, deadline: Date.now() + timing.requestMs }));
  return new DaprWorkflowClient({
    daprHost: address.host,
    daprPort: address.port,
    grpcOptions: toGrpcOptions(timing, [withDeadline, ...interceptors]),
    ...(apiToken === undefined ? {} : { daprApiToken: apiToken }),
  });
}

/** By the numbers of the protocol. */
const statusNames: Readonly<Record<number, InstanceStatus>> = {
  0: 'running',
  1: 'completed',
  // Continued as new.
  2: 'running',
  3: 'failed',
  // Canceled: nothing makes an instance so today.
  4: 'terminated',
  5: 'terminated',
  6: 'pending',
  7: 'suspended',
  8: 'stalled',
};
