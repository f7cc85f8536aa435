import type { AnswerAction } from '@daca-mesh/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import type { AnswerBody } from './mesh-api.ts';
import { parseJsonArgument } from './json-argument.ts';

/** The flags that say how a question is decided. */
export interface AnswerFlags {
  approve?: boolean;
  reject?: string;
  value?: unknown;
  reason?: string;
}

/** Adds the flags to a command. */
export function addAnswerFlags(command: Command): Command {
  return command
    .option('--approve', 'approve it')
    .option('--reject <why>', 'reject it, with the reason')
    .option('--value <json|@file>', 'edit what is asked about, or answer with a value', parseJsonArgument)
    .option('--reason <why>', 'a reason beside --approve or --value');
}

/** Whether one of the deciding flags was given. */
export const isAnswered = (flags: AnswerFlags): boolean => decisions(flags).length > 0;

/**
 * The answer the flags stand for. `--value` means `edit` where the question allows that, else `answer`; only then are
 * its actions looked up.
 */
export async function toAnswer(
  flags: AnswerFlags,
  readActions: () => Promise<readonly AnswerAction[]>,
): Promise<Omit<AnswerBody, 'by'>> {
  const given = decisions(flags);
  if (given.length !== 1) {
    throw new InvalidArgumentError('give exactly one of --approve, --reject "why" and --value JSON');
  }
  const reason = flags.reason === undefined ? {} : { reason: flags.reason };
  if (flags.approve) return { action: 'approve', ...reason };
  if (flags.reject !== undefined) return { action: 'reject', reason: flags.reject };
  const action = (await readActions()).includes('edit') ? 'edit' : 'answer';
  return { action, value: flags.value, ...reason };
}

const decisions = (flags: AnswerFlags): string[] =>
  (['approve', 'reject', 'value'] as const).filter((name) => flags[name] !== undefined);
