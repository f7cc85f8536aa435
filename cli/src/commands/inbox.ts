import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import type { QuestionFilter } from '../mesh-api.ts';
import { duration, print, printJson } from '../output.ts';
import { questionLines } from '../question-text.ts';

interface InboxOptions extends CommonOptions {
  all?: boolean;
  mine?: boolean;
  role?: string;
}

/** `mesh inbox`: what waits for a decision. */
export function addInboxCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'inbox', 'show the open questions', [
    'npx mesh inbox',
    'npx mesh inbox --mine',
    'npx mesh inbox --role manager',
  ])
    .option('--all', 'also those that are answered, expired or withdrawn')
    .option('--mine', 'only those for the owner of MESH_TOKEN and their roles; without a token, for your user name')
    .option('--role <role>', 'only those for a role, or for a person')
    .action(async (options: InboxOptions) => {
      const api = connectApi(context, options);
      const page = await api.questions({ ...(options.all ? {} : { status: 'open' }), ...whose(options, context) });
      if (options.json) return printJson(page);
      if (page.questions.length === 0) return print('nothing waits for a decision');
      for (const question of page.questions) {
        for (const line of questionLines(question, options.data)) print(line);
        if (question.deadline) print(`  deadline  ${remaining(question.deadline)}`);
        print();
      }
    });
}

function whose({ mine, role }: InboxOptions, { config }: Context): QuestionFilter {
  if (mine && role !== undefined) throw new InvalidArgumentError('give --mine or --role, not both');
  if (role !== undefined) return { assignee: role };
  if (!mine) return {};
  return config.token === undefined ? { assignee: userInfo().username } : { mine: 'true' };
}

function remaining(deadline: string): string {
  const leftMs = Date.parse(deadline) - Date.now();
  return leftMs > 0 ? `in ${duration(leftMs)}` : `passed ${duration(-leftMs)} ago`;
}
