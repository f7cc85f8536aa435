import type { WorkflowDefinition } from './workflow.ts';

/**
 * The newest version of each workflow: the one that new runs take. Older ones stay registered for the runs that were
 * started with them.
 */
export function newestVersions<W extends Pick<WorkflowDefinition, 'name' | 'version'>>(workflows: readonly W[]): W[] {
  const newest = new Map<string, W>();
  for (const workflow of workflows) {
    const other = newest.get(workflow.name);
    if (!other || other.version < workflow.version) newest.set(workflow.name, workflow);
  }
  return [...newest.values()];
}

/** What is said where the version of a run is not registered. */
export const noWorkflow = (name: string): string => `this process has no workflow ${name}`;
