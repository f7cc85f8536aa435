import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { runOf } from './run-of.ts';
import type { WorkflowDefinition } from './workflow.ts';

/**
 * Runs a workflow's code. @throws MeshError `INVALID_ARGUMENT` or `INVALID_OUTPUT` for what its schemas refuse,
 * `PAYLOAD_TOO_LARGE`.
 */
export async function* runWorkflow(definition: WorkflowDefinition, mesh: Mesh, input: unknown): Step<unknown> {
  const parsed = definition.input.safeParse(input);
  if (!parsed.success) throw misfit('INVALID_ARGUMENT', `the input of ${definition.name} does not fit`, parsed.error);
  const output = yield* definition.run(mesh, parsed.data);
  const checked = definition.output.safeParse(output);
  if (!checked.success)
    throw misfit('INVALID_OUTPUT', `${definition.name} returned what it does not promise`, checked.error);
  runOf(mesh).payloads.requireFitting(checked.data);
  return checked.data;
}

function misfit(code: 'INVALID_ARGUMENT' | 'INVALID_OUTPUT', what: string, error: z.ZodError): MeshError {
  return new MeshError(code, `${what}: ${z.prettifyError(error)}`, { details: { issues: error.issues } });
}
