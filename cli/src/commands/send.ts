import { StreamResponse, Task, TaskState, taskStateToJSON } from '@a2a-js/sdk';
import { isInterrupted, isTerminal, textOf } from '@daca-mesh/protocol';
import { type AgentClient, taskError, taskQuestion, taskResult } from '@daca-mesh/protocol/client';
import { type Command, InvalidArgumentError } from 'commander';
import { type AnswerFlags, addAnswerFlags, isAnswered, toAnswer } from '../answer-flags.ts';
import { addMeshCommand, type CommonOptions, connectAgent, type Context } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseJsonArgument } from '../json-argument.ts';
import { harmless, note, paint, print, printJson, shorten } from '../output.ts';
import { dataOption } from '../question-text.ts';
import { startProgress } from '../progress.ts';

interface SendOptions extends CommonOptions, AnswerFlags {
  skill?: string;
  input?: unknown;
  stream?: boolean;
  task?: string;
}

/** `mesh send`: one message to one agent, over A2A. */
export function addSendCommand(program: Command, context: Context): void {
  const command = addMeshCommand(program, 'send', 'send a message to an agent, over A2A', [
    'npx mesh send keyword-extractor "Solar power keeps getting cheaper." --stream',
    `npx mesh send records --skill get-post --input '{"postId":"p1"}'`,
    'npx mesh send coordinator --task 0197… --approve',
  ])
    .argument('<agent|url>', 'its name in the mesh, or the URL of any A2A agent')
    .argument('[text]', 'what to say, where it is no --input')
    .option('--skill <id>', 'the skill it is meant for')
    .option('--input <json|@file>', 'the input of the skill: JSON, @file, or @- for standard input', parseJsonArgument)
    .option('--stream', 'show what happens while it happens')
    .option('--task <id>', 'go on with this task: text, or an answer to its question');
  addAnswerFlags(command).action(async (agent: string, text: string | undefined, options: SendOptions) => {
    checkUsage(text, options);
    const client = await connectAgent(context, agent, options);
    const task = options.stream
      ? await stream(client, context, text, options)
      : await sendAndWait(client, context, text, options);
    report(context, agent, task, options);
  });
}

function checkUsage(text: string | undefined, options: SendOptions): void {
  const answered = isAnswered(options);
  if (answered && options.task === undefined) throw new InvalidArgumentError('an answer needs --task');
  if (answered && (text !== undefined || options.input !== undefined || options.stream)) {
    throw new InvalidArgumentError('an answer goes without text, --input and --stream');
  }
  if (!answered && text === undefined && options.input === undefined) {
    throw new InvalidArgumentError('give a text, --input JSON, or with --task an answer');
  }
}

const fieldsOf = (context: Context, text: string | undefined, options: SendOptions) => ({
  signal: context.signal,
  ...(text === undefined ? {} : { text }),
  ...(options.skill === undefined ? {} : { skill: options.skill }),
  ...(options.input === undefined ? {} : { input: options.input }),
  ...(options.task === undefined ? {} : { taskId: options.task }),
});

/** Follows the task without showing its events, until it ends or asks. */
async function sendAndWait(
  client: AgentClient,
  context: Context,
  text: string | undefined,
  options: SendOptions,
): Promise<Task> {
  using progress = startProgress(`waiting for ${client.card.name}`, { quiet: options.json === true });
  const { signal } = context;
  const sent =
    options.task !== undefined && isAnswered(options)
      ? await answer(client, options.task, options, signal)
      : await client.send(fieldsOf(context, text, options));
  if (sent.id === '' || isSettled(sent)) return sent;
  for await (const { response } of client.subscribe(sent.id, { signal })) {
    const update = statusText(response);
    if (update !== undefined) progress.update(`${client.card.name}: ${shorten(update, 100)}`);
    if (isSettled(statusOf(response))) break;
  }
  return client.get(sent.id, { signal });
}

async function answer(client: AgentClient, taskId: string, options: SendOptions, signal: AbortSignal): Promise<Task> {
  const question = taskQuestion(await client.get(taskId, { signal }));
  const given = await toAnswer(options, () => Promise.resolve(question?.actions ?? []));
  // Without the id an answer could hit a question that was asked in between.
  const questionId = question === undefined ? {} : { questionId: question.id };
  return client.answer(taskId, { ...questionId, ...given }, { signal });
}

async function stream(
  client: AgentClient,
  context: Context,
  text: string | undefined,
  options: SendOptions,
): Promise<Task> {
  let taskId = options.task ?? '';
  for await (const { response } of client.stream(fieldsOf(context, text, options))) {
    const { payload } = response;
    if (payload?.$case === 'task') taskId = payload.value.id;
    if (options.json) printJson(StreamResponse.toJSON(response));
    else printEvent(response);
    if (isSettled(statusOf(response))) break;
  }
  return client.get(taskId, { signal: context.signal });
}

function printEvent(response: StreamResponse): void {
  const { payload } = response;
  if (payload?.$case === 'artifactUpdate') {
    const artifact = payload.value.artifact;
    note(`${paint('dim', 'artifact')} ${harmless(artifact?.name ?? '')} ${harmless(textOf(artifact?.parts))}`.trim());
    return;
  }
  const state = statusOf(response)?.status?.state;
  if (state !== undefined) note(`${paint('dim', stateName(state))} ${statusText(response) ?? ''}`.trimEnd());
}

function report(context: Context, agent: string, task: Task, options: SendOptions): void {
  const error = taskError(task);
  if (error !== undefined) context.exitCode = exitCodes.wrongOutcome;
  if (options.json) return printJson(Task.toJSON(task));
  const question = taskQuestion(task);
  if (error !== undefined) {
    print(`${paint('red', stateName(task.status?.state ?? TaskState.UNRECOGNIZED))} ${harmless(error.message)}`);
  } else if (question === undefined) {
    const result = taskResult(task);
    print(typeof result === 'string' ? harmless(result) : harmless(JSON.stringify(result, null, 2) ?? ''));
  } else {
    print(`${paint('yellow', '?')} ${harmless(question.prompt)}`);
    print(`  it waits for: ${question.actions.join(', ')}`);
    print(`  npx mesh send ${agent} --task ${task.id}${dataOption(options.data)} --approve`);
  }
}

function statusOf({ payload }: StreamResponse): Pick<Task, 'status'> | undefined {
  return payload?.$case === 'task' || payload?.$case === 'statusUpdate' ? payload.value : undefined;
}

function statusText(response: StreamResponse): string | undefined {
  const text = textOf(statusOf(response)?.status?.message?.parts);
  return text === '' ? undefined : harmless(text);
}

/** Whether nothing more happens to a task by itself: it has ended, or it waits for an answer. */
function isSettled(task: Pick<Task, 'status'> | undefined): boolean {
  const state = task?.status?.state;
  if (state === undefined) return false;
  return isTerminal(state) || isInterrupted(state);
}

const stateName = (state: TaskState): string => taskStateToJSON(state).replace('TASK_STATE_', '').toLowerCase();
