import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';
import { ChangeSet, insertSorted, readTemplate } from './change-set.ts';
import { refuseTaken, toVariableName } from './names.ts';

const folder = 'coordinator/src/workflows';

/** What makes a new workflow of the coordinator: its code, a test, the ways it can go, and its registration. */
export function planWorkflow(root: string, name: string): ChangeSet {
  const workflowName = toVariableName(name);
  const plan = new ChangeSet(root, { name, workflowName });
  plan.create(`${folder}/${name}.ts`, 'workflow/workflow.ts');
  plan.create(`${folder}/${name}.test.ts`, 'workflow/workflow.test.ts');
  plan.create(`coordinator/histories/${name}.ts`, 'workflow/cases.ts');
  const templates = ['workflow/workflow.ts', 'workflow/workflow.test.ts'].map((template) => readTemplate(template));
  refuseTaken(workflowName, plan.read(`${folder}/index.ts`), ...templates);
  refuseTaken(`${workflowName}Cases`, plan.read('coordinator/histories/cases.ts'));
  refuseRegistered(root, plan, name);
  plan.edit(`${folder}/index.ts`, (text) =>
    insertSorted(
      text,
      `import { ${workflowName} } from './${name}.ts';`,
      /^import \{ \w+ \} from '\.\/[\w-]+\.ts';/,
    ).replace(/\n\];\s*$/, `\n  ${workflowName},\n];\n`),
  );
  plan.edit('coordinator/histories/cases.ts', (text) =>
    insertSorted(
      text,
      `import { ${workflowName}Cases } from './${name}.ts';`,
      /^import \{ \w+Cases.* \} from '\.\//,
    ).replace(/\n\};\s*$/, `\n  '${name}@1': ${workflowName}Cases,\n};\n`),
  );
  // The card follows from the code, and the histories are recorded.
  plan.cover('agent-cards/cards/coordinator.json');
  plan.cover(`coordinator/histories/${name}@1`);
  return plan;
}

/** Refuses the name of a workflow that is part of another one and has no file of its name. */
function refuseRegistered(root: string, plan: ChangeSet, name: string): void {
  const files = readdirSync(join(root, folder)).filter((file) => file.endsWith('.ts'));
  const file = files.find((each) => plan.read(`${folder}/${each}`).includes(`\n  name: '${name}',\n`));
  if (file !== undefined) throw new MeshError('FORBIDDEN', `a workflow "${name}" is there already, in ${file}`);
}
