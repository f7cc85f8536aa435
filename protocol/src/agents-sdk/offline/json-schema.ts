import { isRecord } from './facts.ts';

/** A JSON Schema, as far as structured outputs use it. */
export type Schema = Readonly<Record<string, unknown>>;

const maxHops = 20;

/** Follows references and merges `allOf`. */
export function resolve(schema: Schema, root: Schema, hops = 0): Schema {
  const reference = schema['$ref'];
  if (typeof reference === 'string' && reference.startsWith('#') && hops < maxHops) {
    return resolve(atPointer(root, reference.slice(2)), root, hops + 1);
  }
  if (!Array.isArray(schema['allOf']) || hops >= maxHops) return schema;
  const { allOf, ...rest } = schema;
  return allOf
    .filter(isRecord)
    .map((each) => resolve(each, root, hops + 1))
    .reduce((merged, each) => merge(merged, each), rest);
}

function atPointer(root: Schema, pointer: string): Schema {
  let target: unknown = root;
  for (const key of pointer.split('/').filter(Boolean)) target = isRecord(target) ? target[key] : undefined;
  return isRecord(target) ? target : {};
}

const merge = (one: Schema, other: Schema): Record<string, unknown> => ({
  ...one,
  ...other,
  ...stricter(one, other),
  properties: { ...spread(one['properties']), ...spread(other['properties']) },
  required: [...list(one['required']), ...list(other['required'])],
});

const strictest: Record<string, (a: number, b: number) => number> = {
  minimum: Math.max,
  exclusiveMinimum: Math.max,
  minLength: Math.max,
  minItems: Math.max,
  maximum: Math.min,
  exclusiveMaximum: Math.min,
  maxLength: Math.min,
  maxItems: Math.min,
};

/** The bounds that both schemas have. */
const stricter = (one: Schema, other: Schema): Record<string, number> =>
  Object.fromEntries(
    Object.entries(strictest)
      .filter(([keyword]) => keyword in one && keyword in other)
      .map(([keyword, choose]) => [keyword, choose(Number(one[keyword]), Number(other[keyword]))]),
  );

/** A keyword's object, empty where there is none. */
export const spread = (value: unknown): object => (isRecord(value) ? value : {});

/** A keyword's list, empty where there is none. */
export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

export const alternativesOf = (schema: Schema): Schema[] => list(schema['anyOf'] ?? schema['oneOf']).filter(isRecord);

export const isNullable = ({ type }: Schema): boolean =>
  type === 'null' || (Array.isArray(type) && type.includes('null'));

/** The type of a value that is not null. */
export function typeOf(schema: Schema): unknown {
  const type = list(schema['type']).find((each) => each !== 'null') ?? schema['type'];
  return type ?? (isRecord(schema['properties']) ? 'object' : 'string');
}
