import { MeshError } from '@daca-mesh/protocol';
import type { InstanceStatus } from '../outbox/run-engine.ts';
import type { Envelope, RaisedEvent } from '../workflow-kit/contract.ts';
import { DaprWorkflowClient } from './sdk.ts';

/** gRPC status codes we act upon. */
const grpc = { unknown: 2, notFound: 5, alreadyExists: 6 } as const;

const deadlineMs = 10_000;

/** The SDK sets no deadline on any call; against an engine that hangs, each would wait for ever. */
const withDeadline = (options: object, next: (options: object) => unknown): unknown =>
  next({ ...options, deadline: Date.now() + deadlineMs });

/** The SDK's client with time limits, and errors a caller can act upon. */
export class InstanceClient {
  readonly #client: DaprWorkflowClient;

  constructor({ host, port, apiToken }: { host: string; port: string; apiToken: string | undefined }) {
    // grpc-js takes interceptors among its client options, which the SDK passes on under the narrower type of channel options.
    const grpcOptions = { interceptors: [withDeadline], 'grpc.enable_channelz': 0 } as object;
    this.#client = new DaprWorkflowClient({
      daprHost: host,
      daprPort: port,
      grpcOptions,
      ...(apiToken === undefined ? {} : { daprApiToken: apiToken }),
    });
  }

  /** Succeeds also where the instance exists. One that timed out may start later: the claim makes that harmless. */
  async start(instanceId: string, workflow: string, envelope: Envelope): Promise<void> {
    await this.#attempt('start', instanceId, [grpc.alreadyExists], () =>
      this.#client.scheduleNewWorkflow(workflow, envelope, instanceId),
    );
  }

  async raise(instanceId: string, eventName: string, event: RaisedEvent): Promise<'accepted' | 'no-instance'> {
    const { found } = await this.#attempt('raise an event to', instanceId, [grpc.notFound], () =>
      this.#client.raiseEvent(instanceId, eventName, event),
    );
    return found ? 'accepted' : 'no-instance';
  }

  async status(instanceId: string): Promise<InstanceStatus> {
    try {
      const { value } = await this.#attempt('look at', instanceId, [grpc.notFound], () =>
        this.#client.getWorkflowState(instanceId, false),
      );
      return value === undefined ? 'missing' : (statusNames[value.runtimeStatus] ?? 'stalled');
    } catch (error) {
      // The SDK does not know the status STALLED and trips over it.
      if (error instanceof MeshError && error.cause instanceof TypeError) return 'stalled';
      throw error;
    }
  }

  async terminate(instanceId: string): Promise<void> {
    await this.#attempt('terminate', instanceId, [grpc.notFound], () =>
      this.#client.terminateWorkflow(instanceId, { terminated: true }),
    );
  }

  async purge(instanceId: string): Promise<void> {
    await this.#attempt('purge', instanceId, [grpc.notFound], () => this.#client.purgeWorkflow(instanceId));
  }

  async close(): Promise<void> {
    await this.#client.stop();
  }

  async #attempt<T>(
    verb: string,
    instanceId: string,
    tolerated: readonly number[],
    request: () => Promise<T>,
  ): Promise<{ found: true; value: T } | { found: false; value: undefined }> {
    try {
      return { found: true, value: await request() };
    } catch (error) {
      if (tolerated.includes(codeOf(error))) return { found: false, value: undefined };
      throw new MeshError('UNAVAILABLE', `the workflow engine could not ${verb} ${instanceId}`, {
        retryable: true,
        cause: error,
      });
    }
  }
}

/** daprd reports what it does not find, and older ones what exists, as UNKNOWN: then only the text tells. */
function codeOf(error: unknown): number {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return -1;
  if (error.code !== grpc.unknown) return error.code;
  if (/no such instance/i.test(error.message)) return grpc.notFound;
  return /already exists/i.test(error.message) ? grpc.alreadyExists : error.code;
}

/** The values of the SDK's WorkflowRuntimeStatus. */
const statusNames: Readonly<Record<number, InstanceStatus>> = {
  0: 'running',
  1: 'completed',
  2: 'running',
  3: 'failed',
  5: 'terminated',
  6: 'pending',
  7: 'suspended',
};
