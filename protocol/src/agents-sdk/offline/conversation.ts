import type { ModelRequest } from '@openai/agents';
import { type Facts, isRecord, readFacts, type TextFacts } from './facts.ts';

/** One call that was made before, and what came of it. */
export interface PastCall {
  name: string;
  arguments: string;
  outcome: 'done' | 'failed' | 'open' | 'rejected';
  /** Why it failed or was rejected. */
  reason: string | undefined;
  /** What it returned. */
  result: TextFacts | undefined;
}

/** All that a request tells a model. */
export interface Conversation {
  instructions: string;
  /** What the user said and what tools returned, in order. */
  texts: readonly string[];
  facts: Facts;
  calls: readonly PastCall[];
}

/** Reads a request. Later texts win: a tool's result over the input, the last message over the first. */
export function readConversation(request: ModelRequest): Conversation {
  const said: string[] = [];
  const texts: string[] = [];
  const calls = new Map<string, PastCall>();
  for (const item of typeof request.input === 'string' ? [] : request.input) {
    if (item.type === 'function_call') {
      const { name, arguments: given } = item;
      calls.set(item.callId, { name, arguments: given, outcome: 'open', reason: undefined, result: undefined });
    } else if (item.type === 'function_call_result') {
      const text = outputText(item.output);
      if (isHandoffReceipt(text)) continue;
      texts.push(text);
      const call = calls.get(item.callId);
      if (call) Object.assign(call, outcomeOf(readFacts(text)));
    } else if ('role' in item && item.role === 'user') {
      said.push(...contentTexts(item.content));
    }
  }
  if (typeof request.input === 'string') said.push(request.input);
  const instructions = request.systemInstructions ?? '';
  const facts = gather(said.map(readFacts), [...calls.values()]);
  const maxWords = wordLimit(facts, [instructions, ...said, ...texts]);
  return {
    instructions,
    texts: [...said, ...texts],
    facts: maxWords === undefined ? facts : { ...facts, maxWords },
    calls: [...calls.values()],
  };
}

/**
 * Puts together what is known. A name of the user's own keeps its value where a tool has it only within another value.
 * Several results of one tool are also a list, under the tool's name.
 */
function gather(said: readonly TextFacts[], calls: readonly PastCall[]): Facts {
  const facts: Record<string, unknown> = {};
  for (const { own, nested } of said) Object.assign(facts, nested, own);
  const users = new Set(said.flatMap(({ own }) => Object.keys(own)));
  const results = new Map<string, Facts[]>();
  for (const { name, arguments: given, result } of calls) {
    if (!result) continue;
    const inner = Object.entries(result.nested).filter(([key]) => !users.has(key));
    Object.assign(facts, Object.fromEntries(inner), result.own);
    results.set(name, [...(results.get(name) ?? []), { ...readFacts(given).own, ...result.own }]);
  }
  const lists = [...results].filter(([, list]) => list.length > 1);
  return { ...facts, ...Object.fromEntries(lists) };
}

function contentTexts(content: string | readonly { type: string }[]): string[] {
  if (typeof content === 'string') return [content];
  return content.flatMap((part) => ('text' in part && typeof part.text === 'string' ? [part.text] : []));
}

function outputText(output: unknown): string {
  if (typeof output === 'string') return output;
  return (Array.isArray(output) ? output : [output])
    .map((part: unknown) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join('\n');
}

function outcomeOf(result: TextFacts): Pick<PastCall, 'outcome' | 'reason' | 'result'> {
  const { rejected, reason, error } = result.own;
  if (rejected === true) {
    return { outcome: 'rejected', reason: typeof reason === 'string' ? reason : undefined, result };
  }
  if (error === undefined || error === null) return { outcome: 'done', reason: undefined, result };
  return { outcome: 'failed', reason: String(isRecord(error) ? (error['message'] ?? error['code']) : error), result };
}

/** What the SDK puts down as the result of a hand-off. */
const isHandoffReceipt = (text: string): boolean => /^\{"assistant":"[^"]*"\}$/.test(text);

const limitInWords = /(?:at most|no more than|not more than|up to|under|maximum of|max\.?)\s+(\d{1,5})\s+words/i;

function wordLimit(facts: Facts, texts: readonly string[]): number | undefined {
  for (const [name, value] of Object.entries(facts)) {
    if (/^(max.*words?|words?.*limit)$/i.test(name) && typeof value === 'number') return value;
  }
  const found = texts.map((text) => limitInWords.exec(text)?.[1]).find((each) => each !== undefined);
  return found === undefined ? undefined : Number(found);
}
