import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { showRun } from '../show-run.ts';

/** `mesh show`: one run with its timeline. */
export function addShowCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'show', 'show a run: agents, attempts, questions, who answered, what it waits for, outcome', [
    'npx mesh show 0197…',
    'npx mesh show 0197… --follow',
  ])
    .argument('<run>', 'its id, from "mesh run" or "mesh runs"')
    .option('--follow', 'stay until it ends; exit code 1 unless it completes')
    .action(async (runId: string, options: CommonOptions & { follow?: boolean }) => {
      const api = connectApi(context, options);
      await showRun(context, api, runId, { follow: options.follow === true, json: options.json === true });
    });
}
