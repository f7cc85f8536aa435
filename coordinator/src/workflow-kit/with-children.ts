import { laneOf } from './lane.ts';
import { registeredName, type WorkflowDefinition } from './workflow.ts';

/**
 * The given workflows with all that they run as children, directly or not: what a worker must know to execute them.
 * @throws TypeError where two are registered under one name and version.
 */
export function withChildren(workflows: readonly WorkflowDefinition[]): WorkflowDefinition[] {
  const found = new Map<string, WorkflowDefinition>();
  const add = (definition: WorkflowDefinition): void => {
    const name = registeredName(definition);
    const known = found.get(name);
    if (known === definition) return;
    if (known) throw new TypeError(`the workflow ${name} is registered twice`);
    found.set(name, definition);
    for (const used of definition.uses) {
      add(used);
      add(laneOf(used));
    }
  };
  for (const workflow of workflows) add(workflow);
  return [...found.values()];
}
