import { chosen, factFor, isWritten, type Scope, scopeOf, type Sources } from './evidence.ts';
import { isRecord } from './facts.ts';
import { alternativesOf, isNullable, list, resolve, type Schema, spread, typeOf } from './json-schema.ts';
import { schemaInstance } from './schema-instance.ts';

/** The arguments of a tool, or undefined where one that is required is not known. */
export function toolArguments(schema: Schema, sources: Sources): Record<string, unknown> | undefined {
  if (!allKnown(schema, scopeOf(schema, sources))) return undefined;
  // A tool's parameters are an object schema.
  return schemaInstance(schema, sources) as Record<string, unknown>;
}

const allKnown = (schema: Schema, scope: Scope): boolean =>
  Object.entries(spread(schema['properties'])).every(
    ([name, property]: [string, unknown]) =>
      !list(schema['required']).includes(name) || (isRecord(property) && known(property, name, scope)),
  );

/** Whether a value can be given without making it up. Texts for people to read are always written. */
function known(given: Schema, name: string, scope: Scope): boolean {
  const schema = resolve(given, scope.root);
  if ('const' in schema || 'default' in schema || isNullable(schema)) return true;
  if (Array.isArray(schema['enum'])) return schema['enum'].length === 1 || chosen(schema, name, scope) !== undefined;
  if (alternativesOf(schema).length > 0) return alternativesOf(schema).some((each) => known(each, name, scope));
  if (factFor(schema, name, scope) !== undefined) return true;
  switch (typeOf(schema)) {
    case 'object':
      return !scope.inside.includes(schema) && allKnown(schema, { ...scope, inside: [...scope.inside, schema] });
    case 'array':
      return Number(schema['minItems'] ?? 0) === 0;
    case 'string':
      return isWritten(name);
    default:
      return false;
  }
}
