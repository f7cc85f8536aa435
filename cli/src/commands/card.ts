import { AgentCard } from '@a2a-js/sdk';
import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectAgent, type Context } from '../context.ts';
import { harmless, paint, print, printJson, table } from '../output.ts';

/** `mesh card`: what an agent says about itself. */
export function addCardCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'card', 'show the card of an agent of the mesh, or of any A2A agent', [
    'npx mesh card writer',
    'npx mesh card coordinator   # its skills are the workflows',
    'npx mesh card https://agents.example.com --json',
  ])
    .argument('<agent|url>', 'its name in the mesh, or the URL of any A2A agent')
    .action(async (agent: string, options: CommonOptions) => {
      const { card } = await connectAgent(context, agent, options);
      if (options.json) return printJson(AgentCard.toJSON(card));
      print(`${paint('bold', harmless(card.name))} ${harmless(card.version)}`);
      print(harmless(card.description));
      print();
      const interfaces = card.supportedInterfaces.map((each) => [each.protocolBinding, each.protocolVersion, each.url]);
      for (const line of table(['INTERFACE', 'VERSION', 'URL'], interfaces)) print(line);
      print();
      const skills = card.skills.map(({ id, description }) => [id, description]);
      for (const line of table(['SKILL', 'DESCRIPTION'], skills)) print(line);
    });
}
