import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { note, print } from '../output.ts';
import { watchStopSignals } from '../stop-signals.ts';

/**
 * `mesh sidecar`: the Dapr sidecar alone, for programs that have nothing to do with a mesh. It is the program of the sidecar's
 * own package, which reads the command line itself, so that it is the same one under both names.
 */
export function addSidecarCommand(program: Command, context: Context): void {
  program
    .command('sidecar')
    .description('run a Dapr workflow sidecar alone, for programs written with a Dapr SDK, until Ctrl-C')
    .helpOption(false)
    .usage('[options]')
    // Of "mesh help sidecar" only: its own --help is the program's.
    .addHelpText('after', '\n"npx mesh sidecar --help" shows its options.')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: object, command: Command) => {
      const { runStandalone } = await import('@daca-mesh/sidecar/standalone');
      using signals = watchStopSignals();
      context.exitCode = await runStandalone(command.args, {
        print,
        note,
        stop: signals.stop,
        command: 'npx mesh sidecar',
      });
    });
}
