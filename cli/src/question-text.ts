import { relative } from 'node:path';
import type { AnswerAction, Approvals } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Question } from './mesh-api.ts';
import { defaultDataFolder } from './mesh-location.ts';
import { harmless, paint, shorten } from './output.ts';

const Schema = z.looseObject({ properties: z.record(z.string(), z.unknown()).optional() });

/** How an action is given on the command line. A value is shown with the fields it takes. */
function formOf(action: AnswerAction, question: Question): string {
  if (action === 'approve') return '--approve';
  if (action === 'reject') return '--reject "why"';
  const { properties } = Schema.safeParse(question.schema).data ?? {};
  const fields = Object.keys(properties ?? {}).map((name) => `${JSON.stringify(name)}: …`);
  return `--value '${properties === undefined ? '…' : `{${fields.join(', ')}}`}'`;
}

/** A question as people read it: what is asked, what it is about, and how to answer it. */
export function questionLines(question: Question, dataFolder?: string): string[] {
  const { arguments: about, path, assignee, actions } = question;
  const others = [...new Set(actions.slice(1).map((action) => formOf(action, question)))];
  return [
    `${paint(['bold', 'yellow'], '?')} ${paint('bold', harmless(question.prompt))}`,
    ...(about === undefined ? [] : [`  about     ${shorten(JSON.stringify(about), 400)}`]),
    ...(path.length === 0 ? [] : [`  asked by  ${harmless(path.join(' > '))}`]),
    ...(assignee === undefined ? [] : [`  for       ${harmless(assignee)}`]),
    ...(question.approvals === undefined ? [] : [`  approvals ${approvalsText(question.approvals)}`]),
    `  run       ${question.runId}`,
    ...(question.status === 'open'
      ? [`  answer    ${paint('cyan', answerCommand(question, dataFolder))}`]
      : [`  status    ${question.status}`]),
    ...(question.status === 'open' && others.length > 0 ? [`  or with   ${others.join(', ')}`] : []),
  ];
}

function approvalsText({ required, of, given, missing }: Approvals): string {
  const by = given.length === 0 ? '' : ` (${given.map((approval) => approval.by).join(', ')})`;
  const from = of === undefined ? '' : ` of ${of.join(', ')}`;
  return harmless(`${given.length} of ${required}${by}${missing === 0 ? '' : `, ${missing} more${from}`}`);
}

/** The command that answers a question, ready to be pasted. */
export function answerCommand(question: Question, dataFolder?: string): string {
  const action = question.actions[0] ?? 'answer';
  return `npx mesh answer ${question.id} ${formOf(action, question)}${dataOption(dataFolder)}`;
}

/** ` --data FOLDER`, where the mesh would not be found without it. */
export function dataOption(dataFolder: string | undefined): string {
  if (dataFolder === undefined || relative(defaultDataFolder, dataFolder) === '') return '';
  return ` --data ${/^[\w./@:+-]+$/.test(dataFolder) ? dataFolder : `'${dataFolder.replaceAll("'", `'\\''`)}'`}`;
}
