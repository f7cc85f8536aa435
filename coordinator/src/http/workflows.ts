import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { newestVersions } from '../workflow-kit/versions.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { retryAfter } from './runs.ts';
import { IdempotencyKey, PathId, Run, WorkflowList } from './schemas.ts';

/** Workflows: what can be started, and starting it. */
export function workflowRoutes({ runs, workflows }: ApiServices): Route[] {
  const offered = newestVersions(workflows);
  const listed = offered.map(toWorkflow);
  const byName = new Map(offered.map((workflow) => [workflow.name, workflow]));

  const list = route({
    method: 'get',
    path: '/workflows',
    operationId: 'listWorkflows',
    summary: 'The workflows this coordinator runs, with the schemas of their input and output',
    responses: { 200: { description: 'The workflows', schema: WorkflowList } },
    errors: [],
    handle: async () => ({ status: 200, body: { workflows: listed } }),
  });

  const start = route({
    method: 'post',
    path: '/workflows/{name}',
    operationId: 'startWorkflow',
    summary: 'Starts a run',
    description:
      'The body is the input; the run takes the newest version of the workflow. The reply goes out when the run is stored: it survives whatever happens next. With an ' +
      'Idempotency-Key the same request may be repeated, and makes one run.',
    params: z.object({ name: PathId }),
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: { schema: z.unknown(), required: true, description: "The workflow's input" },
    responses: {
      202: {
        description: 'The run was accepted',
        schema: Run,
        headers: { Location: 'Where the run is', 'Retry-After': 'When to look, in seconds' },
      },
    },
    errors: ['WORKFLOW_NOT_FOUND', 'INVALID_ARGUMENT', 'MESSAGE_ID_REUSED', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE'],
    handle: async ({ params, headers, body, caller }) => {
      if (!byName.has(params.name)) {
        throw new MeshError('WORKFLOW_NOT_FOUND', `there is no workflow ${params.name}`, {
          details: { workflows: [...byName.keys()] },
        });
      }
      const key = headers['idempotency-key'];
      const run = await runs.start(params.name, body, { caller, ...(key === undefined ? {} : { messageId: key }) });
      return { status: 202, body: run, headers: { Location: `/runs/${run.runId}`, ...retryAfter(run) } };
    },
  });

  return [list, start];
}

const toWorkflow = (workflow: WorkflowDefinition): z.infer<typeof WorkflowList>['workflows'][number] => ({
  name: workflow.name,
  version: workflow.version,
  ...(workflow.title === undefined ? {} : { title: workflow.title }),
  description: workflow.description,
  input: z.toJSONSchema(workflow.input, { io: 'input' }),
  output: z.toJSONSchema(workflow.output),
  links: { start: `/workflows/${workflow.name}`, runs: `/runs?workflow=${workflow.name}` },
});
