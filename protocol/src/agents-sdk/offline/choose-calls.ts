import { isDeepStrictEqual } from 'node:util';
import type { ModelRequest } from '@openai/agents';
import { judge } from './conditions.ts';
import type { Conversation } from './conversation.ts';
import { type Facts, isRecord, readFacts } from './facts.ts';
import { findFact } from './find-fact.ts';
import { type Candidate, candidatesOf, type PlanStep, readPlan } from './plan.ts';
import { schemaInstance } from './schema-instance.ts';
import { toolArguments } from './tool-arguments.ts';

/** A call to be made now. */
export interface ToolCallChoice {
  name: string;
  arguments: string;
}

const maxPerStep = 16;

/**
 * What a request wants called next: the first step of the instructions that has anything left to call, whose condition
 * holds, and whose arguments are known. Nothing is called twice, whether it was answered, failed or was rejected.
 */
export function chooseCalls(request: ModelRequest, conversation: Conversation): ToolCallChoice[] {
  const { toolChoice, parallelToolCalls } = request.modelSettings;
  if (toolChoice === 'none') return [];
  const candidates = candidatesOf(request);
  const plan = readPlan(candidates, conversation);
  const called = new Set(conversation.calls.map(({ name }) => name));
  const forced = candidates.find(({ name }) => name === toolChoice && !called.has(name));
  if (forced) return [forcedCall(forced, conversation)];
  for (const step of plan) {
    const calls = callsOf(step, conversation).slice(0, parallelToolCalls === false ? 1 : maxPerStep);
    if (calls.length > 0) return calls;
  }
  const first = plan.flatMap((step) => step.candidates)[0] ?? candidates[0];
  return toolChoice === 'required' && called.size === 0 && first ? [forcedCall(first, conversation)] : [];
}

const forcedCall = ({ name, parameters, description }: Candidate, conversation: Conversation): ToolCallChoice => ({
  name,
  arguments: JSON.stringify(
    toolArguments(parameters, sourcesOf(conversation, description)) ??
      schemaInstance(parameters, sourcesOf(conversation, description)),
  ),
});

function callsOf(step: PlanStep, conversation: Conversation): ToolCallChoice[] {
  if (judge(step.text, conversation.facts) !== true) return [];
  const once = { facts: conversation.facts, keys: [] };
  const handoff = step.candidates.find(({ isHandoff }) => isHandoff);
  if (handoff) return callsTo(handoff, [once], conversation);
  const isForEach = /\b(?:each|every|all)\b/i.test(step.text);
  return step.candidates.flatMap((candidate) =>
    callsTo(candidate, (isForEach && eachOf(candidate, conversation.facts)) || [once], conversation),
  );
}

/** Facts for one call, and the parameters that tell this call from others of the same tool. */
interface CallScope {
  facts: Facts;
  keys: readonly string[];
}

function callsTo(
  { name, parameters, description }: Candidate,
  scopes: readonly CallScope[],
  conversation: Conversation,
): ToolCallChoice[] {
  const made = conversation.calls.filter((call) => call.name === name).map((call) => readFacts(call.arguments).own);
  const choices: ToolCallChoice[] = [];
  for (const { facts, keys } of scopes) {
    const given = toolArguments(parameters, sourcesOf({ ...conversation, facts }, description));
    if (!given || made.some((past) => keys.every((key) => isDeepStrictEqual(past[key], given[key])))) continue;
    made.push(given);
    choices.push({ name, arguments: JSON.stringify(given) });
  }
  return choices;
}

const sourcesOf = ({ facts, texts, instructions, calls }: Conversation, description: string) => ({
  facts,
  texts,
  calls,
  rules: [description, instructions],
});

const isPlainList = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && !value.some(isRecord);

/** One scope for each element of the list that has what a parameter wants: an element itself, or a field of it. */
function eachOf({ parameters }: Candidate, facts: Facts): CallScope[] | undefined {
  const names = Object.keys(isRecord(parameters['properties']) ? parameters['properties'] : {});
  for (const name of names) {
    const list = findFact({ name, description: '', fits: isPlainList }, facts);
    if (Array.isArray(list)) return list.map((each) => ({ facts: { ...facts, [name]: each }, keys: [name] }));
  }
  for (const list of Object.values(facts)) {
    if (!Array.isArray(list) || list.length === 0 || !list.every(isRecord)) continue;
    const keys = names.filter((name) => list.every((each) => name in each));
    if (keys.length > 0) return list.map((each) => ({ facts: { ...facts, ...each }, keys }));
  }
  return undefined;
}
