import { chosen, evidence, factFor, fitsType, type Scope, scopeOf, type Sources } from './evidence.ts';
import { isRecord } from './facts.ts';
import { alternativesOf, isNullable, list, resolve, type Schema, spread, typeOf } from './json-schema.ts';
import { composeProse, composeTitle, termsOf } from './prose.ts';
import { lengthOf, maxLengthOf, numberWithin, padded, textOfForm } from './scalars.ts';

/**
 * An instance of a JSON Schema made of facts: a fact that a name asks for is taken over where it fits, everything else is
 * composed or set to the smallest value allowed. Covers what structured outputs allow (types, enums, const, bounds,
 * formats, patterns, references, nullable, alternatives, records).
 */
export function schemaInstance(schema: Schema, sources: Sources): unknown {
  return instance(schema, '', scopeOf(schema, sources));
}

/** How deep optional values are filled in, and how deep a schema may be that demands itself. */
const maxDepth = 8;
const maxRecursion = 40;

function instance(given: Schema, name: string, scope: Scope): unknown {
  if (scope.depth > maxRecursion) return null;
  const schema = resolve(given, scope.root);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return chosen(schema, name, scope) ?? schema['default'] ?? schema['enum'][0];
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) return alternative(alternatives, name, scope);
  const fact = factFor(schema, name, scope);
  if (fact === undefined && 'default' in schema) return schema['default'];
  if (fact === undefined && isNullable(schema)) return null;
  switch (typeOf(schema)) {
    case 'object':
      return object(schema, isRecord(fact) ? { ...scope, facts: { ...scope.facts, ...fact } } : scope, fact);
    case 'array':
      return array(schema, name, fact, scope);
    case 'integer':
    case 'number':
      return numberWithin(schema, fact);
    case 'boolean':
      return fact === true;
    case 'null':
      return null;
    default:
      return string(schema, name, fact, scope);
  }
}

/** The alternative that most of the facts fit; nothing where that is allowed and nothing is known. */
function alternative(schemas: readonly Schema[], name: string, scope: Scope): unknown {
  const some = schemas.map((each) => resolve(each, scope.root)).filter(({ type }) => type !== 'null');
  const isOptional = some.length < schemas.length;
  if (some.length === 0) return null;
  const best = some
    .map((each) => ({ each, score: evidence(each, name, scope) }))
    .toSorted((a, b) => b.score - a.score)[0];
  const isRecursion = best !== undefined && scope.inside.includes(best.each);
  if (!best || (isOptional && (best.score === 0 || isRecursion || scope.depth >= maxDepth))) return null;
  return instance(best.each, name, scope);
}

function object(schema: Schema, scope: Scope, fact?: unknown): Record<string, unknown> {
  const required = list(schema['required']);
  const inner = { ...scope, depth: scope.depth + 1, inside: [...scope.inside, schema] };
  const properties = Object.entries(spread(schema['properties']));
  const entries = properties.flatMap(([name, property]: [string, unknown]): [string, unknown][] => {
    if (!isRecord(property)) return [];
    const isWanted =
      required.includes(name) || (scope.depth < maxDepth && evidence(resolve(property, scope.root), name, inner) > 0);
    return isWanted ? [[name, instance(property, name, inner)]] : [];
  });
  const values = schema['additionalProperties'];
  const further = isRecord(values) && properties.length === 0 && isRecord(fact) ? Object.keys(fact) : [];
  return Object.fromEntries([
    ...entries,
    ...further.map((name): [string, unknown] => [name, isRecord(values) ? instance(values, name, inner) : undefined]),
  ]);
}

function array(schema: Schema, name: string, fact: unknown, scope: Scope): unknown[] {
  // A list of schemas in `items` is how older drafts say `prefixItems`.
  const first = list(schema['prefixItems'] ?? schema['items'])
    .filter(isRecord)
    .map((each) => instance(each, name, scope));
  const items = isRecord(schema['items']) ? resolve(schema['items'], scope.root) : {};
  const min = Number(schema['minItems'] ?? 0);
  const max = Math.min(Number(schema['maxItems'] ?? 20), scope.depth >= maxDepth ? min : 20);
  const made = [...first, ...elements(items, name, fact, scope)];
  const kept =
    schema['uniqueItems'] === true ? [...new Map(made.map((each) => [JSON.stringify(each), each])).values()] : made;
  const result = kept.slice(0, Math.max(max, first.length));
  while (result.length < min) result.push(filler(items, name, result.length, { ...scope, facts: {} }));
  return result;
}

/** A list's facts in the form its items have. */
function elements(items: Schema, name: string, fact: unknown, scope: Scope): unknown[] {
  const isText = typeOf(items) === 'string' && !items['enum'];
  const given = Array.isArray(fact) ? fact : isText && alternativesOf(items).length === 0 ? termsOf(scope.facts) : [];
  return given.flatMap((each: unknown): unknown[] => {
    const facts = isRecord(each) ? { ...scope.facts, ...each } : { ...scope.facts, [name]: each };
    if (!isRecord(each) && !fitsItem(items, each)) return [];
    return [instance(items, name, { ...scope, facts, depth: scope.depth + 1 })];
  });
}

const fitsItem = (items: Schema, value: unknown): boolean =>
  Array.isArray(items['enum']) ? items['enum'].includes(value) : fitsType(typeOf(items), value, items);

/** An element that nothing is known about; different ones, as far as its type allows. */
function filler(items: Schema, name: string, index: number, scope: Scope): unknown {
  const choices = list(items['enum']);
  if (choices.length > 0) return choices[index % choices.length];
  return instance(items, name, {
    ...scope,
    facts: { [name]: typeOf(items) === 'string' ? `${name} ${index + 1}` : index + 1 },
  });
}

const headingLength = 120;

function string(schema: Schema, name: string, fact: unknown, scope: Scope): string {
  const given = typeof fact === 'string' ? fact : textOfForm(schema);
  if (given !== undefined) return padded(given, schema);
  const max = maxLengthOf(schema);
  const isHeading = max <= headingLength || /title|name|heading|headline|subject|label/i.test(name);
  const text = isHeading ? composeTitle(scope.facts) : composeProse(scope.facts, scope.calls);
  return padded(lengthOf(text) <= max ? text : Array.from(text).slice(0, max).join(''), schema);
}
