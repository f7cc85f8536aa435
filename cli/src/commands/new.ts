import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeshError } from '@daca-mesh/protocol';
import type { Command } from 'commander';
import { addCommand, type Context } from '../context.ts';
import { print, printJson } from '../output.ts';
import { planAgent } from '../scaffold/agent.ts';
import type { ChangeSet } from '../scaffold/change-set.ts';
import { parseName } from '../scaffold/names.ts';
import { planWorkflow } from '../scaffold/workflow.ts';

const workspaceRoot = fileURLToPath(new URL('../../..', import.meta.url));
const formatter = 'node_modules/oxfmt/bin/oxfmt';

interface NewOptions {
  json?: boolean;
  skill?: string;
}

/** `mesh new agent|workflow`: a working start, to be changed into what is wanted. */
export function addNewCommands(program: Command, _context: Context): void {
  const command = program.command('new').description('add an agent or a workflow that works at once, to be changed');
  addCommand(
    command,
    'agent',
    'add an agent: a package under peers/ with card, schemas, tests and a place in the local mesh',
    ['npx mesh new agent word-counter --skill count-words'],
  )
    .argument('<name>', 'of the agent, its package and its card, such as word-counter', parseName)
    .option('--skill <id>', 'its skill, such as count-words (default: the name of the agent)', parseName)
    .action(async (name: string, { skill = name, json }: NewOptions) => {
      const plan = planAgent(workspaceRoot, { name, skill });
      await carryOut(plan, async () => {
        await install();
        runScript('agent-cards/src/write-schemas.ts');
        runScript(formatter, `peers/${name}`, 'agent-cards', 'compose.yaml');
      });
      report(plan, `npm test -- peers/${name}`, json);
    });
  addCommand(command, 'workflow', 'add a workflow to the coordinator, with its schemas, test and recorded histories', [
    'npx mesh new workflow reviewed-keywords',
  ])
    .argument('<name>', 'of the workflow, such as reviewed-keywords', parseName)
    .action(async (name: string, { json }: NewOptions) => {
      const plan = planWorkflow(workspaceRoot, name);
      await carryOut(plan, () => {
        runScript('coordinator/src/write-card.ts');
        runScript('coordinator/histories/record.ts');
        runScript(formatter, 'coordinator/src/workflows', 'coordinator/histories', 'agent-cards/cards');
      });
      report(plan, `npm test -- coordinator/src/workflows/${name}.test.ts coordinator/histories`, json);
    });
}

/** Writes what is planned and what follows from it, or, where a part fails or Ctrl-C ends it, nothing. */
async function carryOut(plan: ChangeSet, follow: () => void | Promise<void>): Promise<void> {
  plan.write();
  try {
    await follow();
  } catch (error) {
    plan.undo();
    throw error;
  }
}

/** Links the new package into the workspace. */
async function install(): Promise<void> {
  const { installChanges } = await import('../../../scripts/bootstrap.mjs');
  if ((await installChanges(workspaceRoot)) !== 0) {
    throw new MeshError('INTERNAL', 'the new package could not be installed, see above; nothing was added');
  }
}

/** Runs a program of the workspace on this Node. */
function runScript(script: string, ...args: string[]): void {
  const { status, signal, stderr } = spawnSync(process.execPath, [join(workspaceRoot, script), ...args], {
    cwd: workspaceRoot,
    encoding: 'utf8',
  });
  if (signal === 'SIGINT') throw new MeshError('CANCELED', 'interrupted');
  if (status !== 0) throw new MeshError('INTERNAL', `${script} ended with ${status}: ${stderr}`);
}

function report({ created }: ChangeSet, test: string, json: boolean | undefined): void {
  if (json) return printJson({ created, test });
  for (const path of created) print(path);
  print();
  print(`it works: ${test}`);
}
