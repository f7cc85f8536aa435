import { ChangeSet, insertSorted } from './change-set.ts';
import { toVariableName } from './names.ts';

/** What makes a new workflow of the coordinator: its code, a test, the ways it can go, and its registration. */
export function planWorkflow(root: string, name: string): ChangeSet {
  const workflowName = toVariableName(name);
  const plan = new ChangeSet(root, { name, workflowName });
  plan.create(`coordinator/src/workflows/${name}.ts`, 'workflow/workflow.ts');
  plan.create(`coordinator/src/workflows/${name}.test.ts`, 'workflow/workflow.test.ts');
  plan.create(`coordinator/histories/${name}.ts`, 'workflow/cases.ts');
  plan.edit('coordinator/src/workflows/index.ts', (text) =>
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
  return plan;
}
