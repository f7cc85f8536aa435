import type { Envelope, RaisedEvent } from '../workflow-kit/contract.ts';

/** What the engine says about an instance. */
export type InstanceStatus =
  | 'missing'
  | 'pending'
  | 'running'
  | 'suspended'
  | 'completed'
  | 'failed'
  | 'terminated'
  | 'stalled';

/** What runs need of a workflow engine. Every method may reject: the engine can be away, and comes back. */
export interface RunEngine {
  ready(): boolean;
  /** Calls the listener after the engine was lost and found again. */
  onReconnect(listener: () => void): void;
  /** Succeeds also when the instance exists. A start that timed out may happen later. */
  startInstance(instanceId: string, workflow: string, version: number, envelope: Envelope): Promise<void>;
  raise(instanceId: string, eventName: string, event: RaisedEvent): Promise<'accepted' | 'no-instance'>;
  status(instanceId: string): Promise<InstanceStatus>;
  /** Lets an instance that the engine has quarantined try again; without effect on any other that runs. */
  resume(instanceId: string): Promise<void>;
  terminate(instanceId: string): Promise<void>;
  purge(instanceId: string): Promise<void>;
}
