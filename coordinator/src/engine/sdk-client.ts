import { promisify } from 'node:util';
import { type DaprWorkflowClient, messages } from './sdk.ts';

/** What we do to the private fields of the SDK's client. `sdk-generation.ts` has checked that they exist. */

type GetInstanceRequest = InstanceType<typeof messages.GetInstanceRequest>;
type GetInstanceResponse = InstanceType<typeof messages.GetInstanceResponse>;

interface SdkStub {
  close(): void;
  getInstance(request: GetInstanceRequest, reply: (error: Error | null, response: GetInstanceResponse) => void): void;
}

/**
 * The status of an instance as the protocol numbers it; undefined where there is none. The SDK's own `getWorkflowState`
 * throws a TypeError for the statuses STALLED and CANCELED.
 */
export async function readStatus(client: DaprWorkflowClient, instanceId: string): Promise<number | undefined> {
  const stub = stubOf(client);
  const request = new messages.GetInstanceRequest();
  request.setInstanceid(instanceId);
  const response = await promisify(stub.getInstance.bind(stub))(request);
  return response.getExists() ? (response.getOrchestrationstate()?.getOrchestrationstatus() ?? 0) : undefined;
}

/** The SDK's own `stop()` does the same and then waits for a second. */
export function closeClient(client: DaprWorkflowClient): void {
  stubOf(client).close();
}

function stubOf(client: DaprWorkflowClient): SdkStub {
  const inner: object = Reflect.get(client, '_innerClient');
  // Its fields were checked at the start.
  return Reflect.get(inner, '_stub') as SdkStub;
}
