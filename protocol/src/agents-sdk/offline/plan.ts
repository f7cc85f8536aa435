import type { ModelRequest } from '@openai/agents';
import type { Conversation } from './conversation.ts';
import { type Facts, scalarsOf } from './facts.ts';
import { list } from './json-schema.ts';
import { mentions, overlap, wordsOf } from './words.ts';

/** A tool or a hand-off, as the request offers it. */
export interface Candidate {
  name: string;
  description: string;
  parameters: Readonly<Record<string, unknown>>;
  isHandoff: boolean;
}

/** One step of the instructions: what it says, and what it calls. Steps follow each other; within one all is parallel. */
export interface PlanStep {
  text: string;
  candidates: readonly Candidate[];
}

/** Everything a request lets a model call. */
export function candidatesOf(request: ModelRequest): Candidate[] {
  const tools = request.tools.flatMap((tool) =>
    tool.type === 'function' ? [{ ...tool, parameters: { ...tool.parameters }, isHandoff: false }] : [],
  );
  const handoffs = request.handoffs.map(({ toolName, toolDescription, inputJsonSchema }) => ({
    name: toolName,
    description: toolDescription,
    parameters: { ...inputJsonSchema },
    isHandoff: true,
  }));
  return [...tools, ...handoffs].map(({ name, description, parameters, isHandoff }) => ({
    name,
    description,
    parameters,
    isHandoff,
  }));
}

/**
 * Reads the order of work off the instructions: each sentence, or part of one before a `then`, is a step that calls the
 * tools it names. A tool that no sentence names is called by the sentence that says what it does, and one of several
 * hand-offs by a sentence about handing over, if the input speaks of what it is for.
 */
export function readPlan(candidates: readonly Candidate[], conversation: Conversation): PlanStep[] {
  const steps = splitSteps(conversation.instructions);
  const named = new Set(candidates.filter((each) => steps.some((step) => namesIt(step, each))));
  const forbidden = new Set([...named].filter((each) => steps.some((step) => isForbidden(step, each))));
  return steps.map((text) => {
    const called = candidates.filter(
      (each) => !forbidden.has(each) && (named.has(each) ? namesIt(text, each) : describesIt(text, each)),
    );
    const offered = candidates.filter((each) => !named.has(each) && !called.includes(each));
    return { text, candidates: called.length > 0 ? called : leftToChoose(text, offered, conversation) };
  });
}

function splitSteps(instructions: string): string[] {
  return instructions
    .replaceAll(/\s+/g, ' ')
    .split(/(?<=[.!?;:])\s+|\s(?=\d+[.)]\s)/)
    .flatMap((sentence) => (/\b(?:if|when|unless)\b/i.test(sentence) ? [sentence] : sentence.split(/\bthen\b/i)))
    .filter((step) => step.trim() !== '');
}

const namesIt = (step: string, { name, isHandoff }: Candidate): boolean =>
  mentions(step, name) || (isHandoff && mentions(step, name.replace(/^transfer_to_/, '').replaceAll('_', ' ')));

const isForbidden = (step: string, candidate: Candidate): boolean =>
  /\b(?:never|do not|don't|must not|without)\b[^,]*$/i.test(step.slice(0, Math.max(0, step.indexOf(candidate.name)))) &&
  !/\bunless\b/i.test(step);

/** Whether a step says what the tool does: all words of its name, or three of its name and description. */
function describesIt(step: string, { name, description, isHandoff }: Candidate): boolean {
  if (isHandoff) return false;
  const said = new Set(wordsOf(step));
  const nameWords = new Set(wordsOf(name));
  const all = new Set([...nameWords, ...wordsOf(description)]);
  return (nameWords.size > 1 && overlap(nameWords, said) === nameWords.size) || overlap(all, said) >= 3;
}

const handsOver = /\b(?:hand(?:s|ing)?\s+(?:\w+\s+){0,3}(?:over|off)|hand-?offs?|transfers?|delegates?|routes?)\b/i;

/** What a step leaves to be chosen by the input: `use the tools`, `hand over to the right agent`. */
function leftToChoose(step: string, offered: readonly Candidate[], { texts, facts }: Conversation): Candidate[] {
  const said = new Set([...texts, ...Object.keys(facts), ...scalarsOf(facts).map(String)].flatMap(wordsOf));
  if (handsOver.test(step)) {
    const ranked = offered
      .filter(({ isHandoff }) => isHandoff)
      .map((each) => ({ each, score: overlap(wordsOf(`${each.name} ${each.description}`), said) }))
      .toSorted((a, b) => b.score - a.score);
    return ranked[0] && ranked[0].score > 0 ? [ranked[0].each] : [];
  }
  if (!/\btools?\b/i.test(step)) return [];
  return offered.filter((each) => !each.isHandoff && (overlap(wordsOf(each.name), said) > 0 || asksFor(each, facts)));
}

/** Whether a tool takes just what is known. */
function asksFor({ parameters }: Candidate, facts: Facts): boolean {
  const required = list(parameters['required']);
  return required.length > 0 && required.every((name) => typeof name === 'string' && name in facts);
}
