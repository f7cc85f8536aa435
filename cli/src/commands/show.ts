import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { showRun } from '../show-run.ts';

/** `mesh show`: one run with its timeline. */
export function addShowCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'show <run>', 'show a run: agents, attempts, questions, who answered, outcome', [
    'npx mesh show 0197… --follow',
  ])
    .option('--follow', 'stay until it ends; exit code 1 unless it completes')
    .action(async (runId: string, options: CommonOptions & { follow?: boolean }) => {
      const api = connectApi(context, options);
      await showRun(context, api, runId, { follow: options.follow === true, json: options.json === true });
    });
}
