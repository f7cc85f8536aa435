import type { Command } from 'commander';
import { addLocalCommand, type CommonOptions, type Context } from '../context.ts';
import { locateMesh } from '../mesh-location.ts';
import { print, printJson } from '../output.ts';
import { connectControl } from '../supervisor/control-client.ts';

/** `mesh kill`: a real SIGKILL, to see that nothing is lost by it. */
export function addKillCommand(program: Command, context: Context): void {
  addLocalCommand(program, 'kill', 'kill -9 a process of the local mesh; it is started again by itself', [
    'npx mesh kill writer',
    'npx mesh kill records --down',
  ])
    .argument('<name>', 'a process, as "mesh ps" shows it')
    .option('--down', 'leave it down until "mesh restart"')
    .action(async (name: string, options: CommonOptions & { down?: boolean }) => {
      const down = options.down === true;
      const process = await connectControl(locateMesh(options, context.config)).kill(name, { down });
      if (options.json) return printJson(process);
      print(down ? `${name} is down until "npx mesh restart ${name}"` : `killed ${name}; it is being started again`);
    });
}
