import type { PastCall } from './conversation.ts';
import { type Facts, isRecord, readValue } from './facts.ts';
import { findChoice, findFact, valueInProse } from './find-fact.ts';
import { list, resolve, type Schema, spread, typeOf } from './json-schema.ts';
import { hasForm, lengthOf, maxLengthOf, padded } from './scalars.ts';

/** What an instance is made of. */
export interface Sources {
  facts: Facts;
  texts: readonly string[];
  calls: readonly PastCall[];
  /** Texts that may say which choice goes with which fact. */
  rules: readonly string[];
}

/** Where in a schema an instance is being made, and of what. */
export interface Scope extends Sources {
  root: Schema;
  depth: number;
  /** The object schemas around this place, by which a recursive one is known. */
  inside: readonly Schema[];
}

/** Where making one begins. */
export const scopeOf = (root: Schema, sources: Sources): Scope => ({ ...sources, root, depth: 0, inside: [] });

/** A fact for this place; a long text is material to work on, not a value. */
export function factFor(schema: Schema, name: string, { facts, texts }: Scope): unknown {
  const type = typeOf(schema);
  const fits = (value: unknown): boolean => fitsType(type, value, schema);
  const fact = findFact({ name, description: descriptionOf(schema), fits }, facts);
  if (fact !== undefined || name === '' || isWritten(name) || type === 'object' || type === 'array') return fact;
  const said = valueInProse(name, texts);
  const value = said === undefined ? undefined : type === 'string' ? said : readValue(said);
  return fits(value) ? value : undefined;
}

/** Whether a value may stand where a type is wanted, apart from the bounds of numbers. */
export function fitsType(type: unknown, value: unknown, schema: Schema): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isRecord(value);
    case 'string':
      return (
        typeof value === 'string' &&
        lengthOf(value) <= Math.min(maxLengthOf(schema), 200) &&
        hasForm(schema, padded(value, schema))
      );
    default:
      return typeof value === type;
  }
}

/** The choice of an enum that the facts speak for. */
export function chosen(schema: Schema, name: string, { facts, texts, rules }: Scope): unknown {
  const choices = list(schema['enum']);
  const own = findFact({ name, description: '', fits: (value) => choices.includes(value) }, facts);
  if (own !== undefined) return own;
  const said = valueInProse(name, texts);
  if (said !== undefined && choices.includes(said)) return said;
  return findChoice(choices, facts, [descriptionOf(schema), ...rules]);
}

/** How much the facts say about a place: a fact of its own, and the constants and properties within it. */
export function evidence(schema: Schema, name: string, scope: Scope): number {
  if ('const' in schema) return Object.values(scope.facts).includes(schema['const']) ? 2 : 0;
  const fact = factFor(schema, name, scope);
  if (fact === undefined && Array.isArray(schema['enum'])) return chosen(schema, name, scope) === undefined ? 0 : 1;
  const inner = isRecord(fact) ? { ...scope, facts: { ...scope.facts, ...fact } } : scope;
  return Object.entries(spread(schema['properties'])).reduce(
    (sum, [property, each]: [string, unknown]) =>
      sum + (isRecord(each) && isKnown(resolve(each, scope.root), property, inner) ? 1 : 0),
    fact === undefined ? 0 : 2,
  );
}

const isKnown = (schema: Schema, name: string, scope: Scope): boolean =>
  'const' in schema ? scope.facts[name] === schema['const'] : factFor(schema, name, scope) !== undefined;

/** Whether a property is a text for people to read, which is composed. */
export const isWritten = (name: string): boolean =>
  /(?:reason|note|comment|message|summary|text|body|description|title|subject|explanation|details?)$/i.test(name);

const descriptionOf = ({ description }: Schema): string => (typeof description === 'string' ? description : '');
