import type { Command } from 'commander';
import { addLocalCommand, type CommonOptions, type Context } from '../context.ts';
import { locateMesh } from '../mesh-location.ts';
import { print, printJson, table } from '../output.ts';
import { connectControl } from '../supervisor/control-client.ts';

/** `mesh ps`: the processes of the local mesh. */
export function addPsCommand(program: Command, context: Context): void {
  addLocalCommand(program, 'ps', 'show the processes of the local mesh', ['npx mesh ps', 'npx mesh ps --json']).action(
    async (options: CommonOptions) => {
      const processes = await connectControl(locateMesh(options, context.config)).processes();
      if (options.json) return printJson({ processes });
      const rows = processes.map(({ name, pid, url, status, restarts }) => [
        name,
        status,
        String(pid ?? '-'),
        url ?? '-',
        String(restarts),
      ]);
      for (const line of table(['NAME', 'STATUS', 'PID', 'URL', 'RESTARTS'], rows)) print(line);
    },
  );
}
