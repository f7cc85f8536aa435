import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { print, printJson } from '../output.ts';

const controls = [
  { action: 'cancel', description: 'cancel a run; what it has done is undone', done: 'is being canceled' },
  { action: 'suspend', description: 'suspend a run: it sends nothing until it is resumed', done: 'is suspended' },
  { action: 'resume', description: 'resume a run that was suspended or is stalled', done: 'goes on' },
] as const;

/** `mesh cancel`, `mesh suspend`, `mesh resume`. */
export function addRunControlCommands(program: Command, context: Context): void {
  for (const { action, description, done } of controls) {
    const command = addMeshCommand(program, action, description, [`npx mesh ${action} 0197…`]);
    command.argument('<run>', 'its id, from "mesh run" or "mesh runs"');
    if (action === 'cancel') command.option('--reason <text>', 'why, for the timeline');
    command.action(async (runId: string, options: CommonOptions & { reason?: string }) => {
      const body = options.reason === undefined ? {} : { reason: options.reason };
      const answer = await connectApi(context, options).control(runId, action, body);
      if (options.json) return printJson(answer);
      print(`run ${runId} ${done}`);
    });
  }
}
