import { isMeshError } from '@daca-mesh/protocol';
import type { Logger } from 'pino';
import { drive } from '../workflow-kit/driver.ts';
import type { Payloads } from '../workflow-kit/payloads.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { DaprOrchestration } from './dapr-orchestration.ts';
import type { WorkflowContext } from './sdk.ts';

/** Named like the SDK's own, since all that is left of an error on the wire is the name of its class. */
class NonDeterminismError extends Error {}
class PayloadMissingError extends Error {}

/**
 * A workflow as the SDK takes it. An async generator function: of a sync one the SDK says at once that it completed. Only
 * errors leave it: anything else that is thrown fails the instance without a reason.
 */
export function toDaprWorkflow(definition: WorkflowDefinition, logger: Logger, payloads: Payloads) {
  return async function* workflow(context: WorkflowContext, input: unknown): AsyncGenerator<unknown, unknown, unknown> {
    try {
      return yield* drive(definition, new DaprOrchestration(context, logger), input, payloads);
    } catch (error) {
      if (isMeshError(error) && error.code === 'NON_DETERMINISM') throw new NonDeterminismError(error.message);
      if (isMeshError(error) && error.code === 'PAYLOAD_MISSING') throw new PayloadMissingError(error.message);
      throw error instanceof Error ? error : new Error(String(error));
    }
  };
}
