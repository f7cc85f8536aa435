import type { Command } from 'commander';
import { addLocalCommand, type CommonOptions, type Context } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { locateMesh } from '../mesh-location.ts';
import { print, printJson } from '../output.ts';
import { startProgress } from '../progress.ts';
import { connectControl } from '../supervisor/control-client.ts';

/** `mesh restart`: an orderly end and a new start, also of what was taken down. */
export function addRestartCommand(program: Command, context: Context): void {
  addLocalCommand(program, 'restart', 'restart a process of the local mesh, or start one that is down', [
    'npx mesh restart records',
  ])
    .argument('<name>', 'a process, as "mesh ps" shows it')
    .action(async (name: string, options: CommonOptions) => {
      const control = connectControl(locateMesh(options, context.config));
      const progress = startProgress(`restarting ${name}`, { quiet: options.json === true });
      const process = await control.restart(name).finally(() => progress[Symbol.dispose]());
      if (process.status !== 'ready') context.exitCode = exitCodes.wrongOutcome;
      if (options.json) return printJson(process);
      print(`${name} is ${process.status}${process.url === null ? '' : ` at ${process.url}`}`);
    });
}
