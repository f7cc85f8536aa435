/** What a conversation says, as named values. */
export type Facts = Readonly<Record<string, unknown>>;

/** The named values of one text, those of its own first, and those within them. */
export interface TextFacts {
  own: Facts;
  nested: Facts;
}

/** Reads a text: its JSON, alone or within prose, else its `name: value` lines, else the text itself as `text`. */
export function readFacts(text: string): TextFacts {
  const json = embeddedJson(text);
  const own = isRecord(json) ? json : Array.isArray(json) ? { items: json } : proseFacts(text);
  return { own, nested: nestedFacts(own) };
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** All values within a value that are no objects or lists. */
export function scalarsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(scalarsOf);
  return isRecord(value) ? Object.values(value).flatMap(scalarsOf) : [value];
}

/** Of two values with one name the outer and the earlier one counts; of a list, its only element. */
function nestedFacts(own: Facts): Facts {
  const found: Record<string, unknown> = {};
  for (let level = recordsIn(Object.values(own)); level.length > 0; level = recordsIn(level.flatMap(Object.values))) {
    for (const [name, value] of level.flatMap(Object.entries)) found[name] ??= value;
  }
  return found;
}

const recordsIn = (values: readonly unknown[]): Record<string, unknown>[] =>
  values
    .map((value: unknown): unknown => (Array.isArray(value) && value.length === 1 ? value[0] : value))
    .filter(isRecord);

function embeddedJson(text: string): unknown {
  for (const [open, close] of ['{}', '[]']) {
    const start = text.indexOf(open ?? '');
    const end = text.lastIndexOf(close ?? '');
    if (start === -1 || end < start) continue;
    try {
      return JSON.parse(text.slice(start, end + 1));
    } catch {
      // Brackets of prose.
    }
  }
  return undefined;
}

function proseFacts(text: string): Facts {
  const facts: Record<string, unknown> = {};
  for (const [, name, value] of text.matchAll(/^([A-Za-z][\w -]{0,40}):[ \t]+(\S.*)$/gm)) {
    if (name !== undefined && value !== undefined) facts[camelCase(name)] = readValue(value);
  }
  return Object.keys(facts).length > 0 ? facts : { text };
}

const camelCase = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+(\w)/g, (_, letter: string) => letter.toUpperCase());

/** A value as it is written in prose. */
export function readValue(text: string): unknown {
  const trimmed = text.trim();
  if (!/^(?:-?\d+(?:\.\d+)?|true|false|null|\[.*\]|".*")$/s.test(trimmed)) return trimmed;
  try {
    return JSON.parse(trimmed);
  } catch {
    return trimmed;
  }
}
