import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { duration, print, printJson } from '../output.ts';
import { questionLines } from '../question-text.ts';

/** `mesh inbox`: what waits for a decision. */
export function addInboxCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'inbox', 'show the open questions', ['npx mesh inbox'])
    .option('--all', 'also those that are answered, expired or withdrawn')
    .action(async (options: CommonOptions & { all?: boolean }) => {
      const api = connectApi(context, options);
      const page = await api.questions(options.all ? {} : { status: 'open' });
      if (options.json) return printJson(page);
      if (page.questions.length === 0) return print('nothing waits for a decision');
      for (const question of page.questions) {
        for (const line of questionLines(question, options.data)) print(line);
        if (question.deadline) print(`  deadline  ${remaining(question.deadline)}`);
        print();
      }
    });
}

function remaining(deadline: string): string {
  const leftMs = Date.parse(deadline) - Date.now();
  return leftMs > 0 ? `in ${duration(leftMs)}` : `passed ${duration(-leftMs)} ago`;
}
