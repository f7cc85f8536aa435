import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { type AnswerFlags, addAnswerFlags, toAnswer } from '../answer-flags.ts';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { print, printJson } from '../output.ts';

/** `mesh answer`: decides an open question. */
export function addAnswerCommand(program: Command, context: Context): void {
  const command = addMeshCommand(program, 'answer', 'answer an open question', [
    'npx mesh answer 0197…-q1f2e3d4c5b6a --approve',
    'npx mesh answer 0197…-q1f2e3d4c5b6a --reject "insults a person"',
    `npx mesh answer 0197…-q1f2e3d4c5b6a --value '{"text":"a kinder text"}'`,
  ]).argument('<question>', 'its id, from "mesh inbox"');
  addAnswerFlags(command)
    .option('--by <name>', 'who decides, where no token says so (default: your user name)')
    .action(async (questionId: string, options: CommonOptions & AnswerFlags & { by?: string }) => {
      const api = connectApi(context, options);
      const answer = await toAnswer(options, async () => (await api.question(questionId)).actions);
      const by = options.by ?? userInfo().username;
      const accepted = await api.answer(questionId, { ...answer, by });
      if (options.json) return printJson(accepted);
      const { answeredBy = by, approvals, status } = accepted;
      if (status !== 'open') return print(`answered ${questionId} with ${answer.action}, by ${answeredBy}`);
      print(`approved ${questionId}; ${approvals?.missing ?? 0} more must approve`);
    });
}
