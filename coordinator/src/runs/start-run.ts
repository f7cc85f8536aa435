import { dataPart, extensionUris, MeshError, userMessage } from '@daca-mesh/protocol';
import type { Unit } from '@daca-mesh/protocol/server';
import { newestVersions } from '../workflow-kit/versions.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { insertRun, newToken, requestStart } from './run-rows.ts';
import type { UnitDeps } from './unit-deps.ts';

/** A run that is started in the commit of what it follows from. */
export interface RunToStart {
  runId: string;
  workflow: string;
  /** Those there are. */
  workflows: readonly WorkflowDefinition[];
  input: unknown;
  caller: string;
}

/** Starts a run: its task, its row and its place in the outbox. @throws MeshError `WORKFLOW_NOT_FOUND`, `INVALID_ARGUMENT`. */
export function* startRun(deps: UnitDeps, { runId, input, caller, ...fields }: RunToStart): Unit<void> {
  const workflow = newestVersions(fields.workflows).find(({ name }) => name === fields.workflow);
  if (!workflow) throw new MeshError('WORKFLOW_NOT_FOUND', `there is no workflow ${fields.workflow}`);
  const parsed = workflow.input.safeParse(input);
  if (!parsed.success) {
    const violations = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
    const summary = violations.map(({ path, message }) => `${path}: ${message}`).join('; ');
    throw new MeshError('INVALID_ARGUMENT', `the input does not fit ${workflow.name}: ${summary}`, {
      details: { violations },
    });
  }
  yield* deps.core.create({
    taskId: runId,
    skillId: workflow.name,
    message: userMessage({
      messageId: `${runId}-start`,
      parts: [dataPart(input ?? null)],
      metadata: { [extensionUris.skill]: { id: workflow.name } },
    }),
    caller,
  });
  const { name, version } = workflow;
  const token = newToken();
  yield* insertRun(deps.signals, {
    runId,
    workflow: name,
    version,
    caller,
    input: parsed.data,
    status: 'pending',
    token,
  });
  yield* requestStart(deps.signals, runId);
}
