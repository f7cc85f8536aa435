import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { print, printJson, table } from '../output.ts';

/** `mesh peers`: the agents the coordinator knows. */
export function addPeersCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'peers', 'show the agents the coordinator knows, and their skills', [
    'npx mesh peers',
  ]).action(async (options: CommonOptions) => {
    const page = await connectApi(context, options).peers();
    if (options.json) return printJson(page);
    const rows = page.peers.map(({ name, status, url, skills }) => [
      name,
      status,
      url,
      skills.map((skill) => skill.id).join(', '),
    ]);
    for (const line of table(['NAME', 'STATUS', 'URL', 'SKILLS'], rows)) print(line);
  });
}
