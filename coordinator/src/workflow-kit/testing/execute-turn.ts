import executorModule from '@dapr/dapr/workflow/internal/durabletask/worker/orchestration-executor.js';
import registryModule from '@dapr/dapr/workflow/internal/durabletask/worker/registry.js';
import type { Logger } from 'pino';
import { toDaprWorkflow } from '../../engine/dapr-workflow.ts';
import { WorkflowContext } from '../../engine/sdk.ts';
import { routeSdkLogs } from '../../engine/sdk-logs.ts';
import { type Stall, stallOf } from '../../engine/stall-guard.ts';
import { Payloads } from '../payloads.ts';
import type { WorkflowDefinition } from '../workflow.ts';
import type { Action, HistoryEvent } from './recorded-run.ts';

/** Makes one turn of an instance with the executor of the real SDK: replays its past, then tells it what is new. */
export async function executeTurn(
  definition: WorkflowDefinition,
  instanceId: string,
  [past, fresh]: readonly [past: HistoryEvent[], fresh: HistoryEvent[]],
  { logger, payloads = new Payloads() }: { logger: Logger; payloads?: Payloads },
): Promise<{ actions: Action[]; stall: Stall | undefined }> {
  routeSdkLogs(logger);
  const registry = new registryModule.Registry();
  const workflow = toDaprWorkflow(definition, logger, payloads);
  registry.addNamedOrchestrator(
    'workflow',
    (context: ConstructorParameters<typeof WorkflowContext>[0], input: unknown) =>
      workflow(new WorkflowContext(context), input),
  );
  const { actions } = await new executorModule.OrchestrationExecutor(registry).execute(instanceId, past, fresh);
  const answer = { getInstanceid: () => instanceId, getActionsList: () => actions };
  return { actions, stall: stallOf(answer, [...past, ...fresh]) };
}
