import type { ModelRequest } from '@openai/agents';

/** What a request says, as named values: the input's own JSON, its `name: value` lines, and what tools returned. */
export type Facts = Readonly<Record<string, unknown>>;

/** Reads the facts of a request. Later items win: a tool's result over the input, the last message over the first. */
export function requestFacts(request: ModelRequest): Facts {
  const facts: Record<string, unknown> = {};
  for (const text of inputTexts(request)) Object.assign(facts, factsOf(text));
  const maxWords = wordLimit(facts, [request.systemInstructions ?? '', ...inputTexts(request)]);
  return maxWords === undefined ? facts : { ...facts, maxWords };
}

/** The texts a model is to work on: what the user said and what tools returned, in order. */
export function inputTexts(request: ModelRequest): string[] {
  const { input } = request;
  if (typeof input === 'string') return [input];
  return input.flatMap((item) => {
    if (item.type === 'function_call_result') return [outputText(item.output)];
    if (!('role' in item) || item.role !== 'user') return [];
    if (typeof item.content === 'string') return [item.content];
    return item.content.flatMap((part) => (part.type === 'input_text' ? [part.text] : []));
  });
}

/** The names of the tools that have answered already. */
export function answeredTools(request: ModelRequest): ReadonlySet<string> {
  if (typeof request.input === 'string') return new Set();
  return new Set(request.input.flatMap((item) => (item.type === 'function_call_result' ? [item.name] : [])));
}

function outputText(output: unknown): string {
  if (typeof output === 'string') return output;
  const parts: unknown[] = Array.isArray(output) ? output : [output];
  return parts
    .map((part) =>
      typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string' ? part.text : '',
    )
    .join('\n');
}

function factsOf(text: string): Record<string, unknown> {
  const json = embeddedJson(text);
  if (json) return json;
  const facts: Record<string, unknown> = {};
  for (const [, name, value] of text.matchAll(/^([A-Za-z][\w -]{0,40}):[ \t]+(\S.*)$/gm)) {
    if (name !== undefined && value !== undefined) facts[camelCase(name)] = readValue(value);
  }
  return Object.keys(facts).length > 0 ? facts : { text };
}

/** The first JSON object in a text, alone or within prose. */
function embeddedJson(text: string): Record<string, unknown> | undefined {
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (start === -1 || end < start) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(start, end + 1));
    // Text between braces that parses is an object.
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const camelCase = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+(\w)/g, (_, letter: string) => letter.toUpperCase());

function readValue(text: string): unknown {
  const trimmed = text.trim();
  if (/^-?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (trimmed.startsWith('[') || trimmed.startsWith('"')) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return trimmed;
    }
  }
  return trimmed;
}

const limitInWords = /(?:at most|no more than|not more than|up to|under|maximum of|max\.?)\s+(\d{1,5})\s+words/i;

function wordLimit(facts: Facts, texts: readonly string[]): number | undefined {
  for (const [name, value] of Object.entries(facts)) {
    if (/^(max.*words?|words?.*limit)$/i.test(name) && typeof value === 'number') return value;
  }
  for (const text of texts) {
    const found = limitInWords.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  return undefined;
}
