import { composeProse, composeTitle, termsOf } from './prose.ts';
import type { Facts } from './request-facts.ts';

type Schema = Readonly<Record<string, unknown>>;

/**
 * An instance of a JSON Schema made of facts: a fact of the same name and type is taken over, everything else is
 * composed or set to the smallest value allowed. Covers what structured outputs allow (types, enums, const, bounds,
 * references, nullable and alternatives), not patterns.
 */
export function schemaInstance(schema: Schema, facts: Facts): unknown {
  return instance(schema, '', { facts, root: schema });
}

/** The arguments of a tool, or undefined where a required one is no fact. */
export function toolArguments(schema: Schema, facts: Facts): Record<string, unknown> | undefined {
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  if (required.some((name) => typeof name !== 'string' || facts[name] === undefined)) return undefined;
  // A tool's parameters are an object schema.
  return schemaInstance(schema, facts) as Record<string, unknown>;
}

interface Scope {
  facts: Facts;
  root: Schema;
}

function instance(given: Schema, name: string, scope: Scope): unknown {
  const schema = resolve(given, scope.root);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return choice(schema['enum'], name, scope.facts);
  const alternatives = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(alternatives)) return alternative(alternatives.filter(isSchema), name, scope);
  const fact = scope.facts[name];
  switch (typeOf(schema, fact)) {
    case 'object':
      return object(schema, scope);
    case 'array':
      return array(schema, name, scope);
    case 'integer':
    case 'number':
      return number(schema, fact);
    case 'boolean':
      return typeof fact === 'boolean' ? fact : schema['default'] === true;
    case 'null':
      return null;
    default:
      return string(schema, name, scope.facts);
  }
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function resolve(schema: Schema, root: Schema): Schema {
  const reference = schema['$ref'];
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return schema;
  let target: unknown = root;
  for (const key of reference.slice(2).split('/')) target = isSchema(target) ? target[key] : undefined;
  return isSchema(target) ? target : {};
}

function typeOf(schema: Schema, fact: unknown): unknown {
  const { type } = schema;
  if (!Array.isArray(type)) return type ?? (isSchema(schema['properties']) ? 'object' : 'string');
  if (fact === undefined && type.includes('null')) return 'null';
  return type.find((each) => each !== 'null');
}

function choice(values: readonly unknown[], name: string, facts: Facts): unknown {
  if (values.includes(facts[name])) return facts[name];
  const given = new Set(Object.values(facts));
  return values.find((value) => given.has(value)) ?? values[0];
}

function alternative(schemas: readonly Schema[], name: string, scope: Scope): unknown {
  const nullable = schemas.some((schema) => schema['type'] === 'null');
  const chosen = schemas.find((schema) => schema['type'] !== 'null');
  if (!chosen || (nullable && scope.facts[name] === undefined)) return null;
  return instance(chosen, name, scope);
}

function object(schema: Schema, scope: Scope): Record<string, unknown> {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const entries = Object.entries(properties).flatMap(([name, property]): [string, unknown][] =>
    isSchema(property) && (required.includes(name) || scope.facts[name] !== undefined)
      ? [[name, instance(property, name, scope)]]
      : [],
  );
  return Object.fromEntries(entries);
}

function array(schema: Schema, name: string, scope: Scope): unknown[] {
  const items = isSchema(schema['items']) ? resolve(schema['items'], scope.root) : {};
  const min = Number(schema['minItems'] ?? 0);
  const max = Number(schema['maxItems'] ?? 20);
  const fact = scope.facts[name];
  if (Array.isArray(fact)) return fact.slice(0, max);
  const terms = typeOf(items, undefined) === 'string' && !items['enum'] ? termsOf(scope.facts) : [];
  const list: unknown[] = terms.slice(0, max);
  while (list.length < min) list.push(instance(items, name, scope));
  return list;
}

function number(schema: Schema, fact: unknown): number {
  const min = Number(schema['minimum'] ?? schema['exclusiveMinimum'] ?? 0);
  const max = Number(schema['maximum'] ?? Number.MAX_SAFE_INTEGER);
  const wanted = typeof fact === 'number' ? fact : Number(schema['default'] ?? min);
  const bounded = Math.min(Math.max(wanted, min), max);
  return schema['type'] === 'integer' ? Math.ceil(bounded) : bounded;
}

const headingLength = 120;

function string(schema: Schema, name: string, facts: Facts): string {
  const max = Number(schema['maxLength'] ?? Number.POSITIVE_INFINITY);
  const fact = facts[name];
  // A short fact is a value to keep, a long one is material to work on.
  if (typeof fact === 'string' && fact.length <= Math.min(max, 200)) return fact;
  if (schema['format'] === 'date-time') return new Date(0).toISOString();
  const heading = max <= headingLength || /title|name|heading|headline|subject|label/i.test(name);
  const text = heading ? composeTitle(facts) : composeProse(facts);
  return text.slice(0, Number.isFinite(max) ? max : undefined).padEnd(Number(schema['minLength'] ?? 0), '.');
}
