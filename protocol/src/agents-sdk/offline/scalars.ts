import { compileSchema } from '../../compile-schema.ts';
import { type Schema, typeOf } from './json-schema.ts';
import { textOfPattern } from './pattern-text.ts';

/** The number next to a fact that the schema allows; the smallest where there is no fact. */
export function numberWithin(schema: Schema, fact: unknown): number {
  const isInteger = typeOf(schema) === 'integer';
  const step = Number(schema['multipleOf'] ?? (isInteger ? 1 : 0));
  const low = bound(schema['minimum'], schema['exclusiveMinimum'], Math.max, isInteger ? () => 1 : margin);
  const high = bound(
    schema['maximum'],
    schema['exclusiveMaximum'],
    Math.min,
    isInteger ? () => -1 : (at) => -margin(at),
  );
  // Two exclusive bounds may be closer than their margins.
  if (!isInteger && low !== undefined && high !== undefined && low > high) return (low + high) / 2;
  const wanted = typeof fact === 'number' ? fact : (low ?? Math.min(0, high ?? 0));
  const bounded = Math.min(Math.max(wanted, low ?? -Infinity), high ?? Infinity);
  if (step === 0) return bounded;
  const up = Math.ceil(bounded / step) * step;
  return up <= (high ?? Infinity) ? up : Math.floor(bounded / step) * step;
}

const margin = (at: number): number => Math.max(1, Math.abs(at)) * 1e-6;

/** The stricter of a bound and an exclusive one, which is met a margin further in. */
function bound(
  inclusive: unknown,
  exclusive: unknown,
  stricter: (a: number, b: number) => number,
  marginAt: (at: number) => number,
): number | undefined {
  const bounds = [
    ...(typeof inclusive === 'number' ? [inclusive] : []),
    ...(typeof exclusive === 'number' ? [exclusive + marginAt(exclusive)] : []),
  ];
  return bounds.length === 0 ? undefined : bounds.reduce(stricter);
}

/** Whether a text has the form a schema asks for: its format, and its pattern. */
export function hasForm({ format, pattern }: Schema, text: string): boolean {
  if (format === undefined && pattern === undefined) return true;
  try {
    return compileSchema({ ...(format !== undefined && { format }), ...(pattern !== undefined && { pattern }) })(text);
  } catch {
    // A pattern that is no regular expression asks for nothing.
    return true;
  }
}

/** A text of the form a schema asks for that says nothing; undefined where no form is asked for, or none is found. */
export function textOfForm(schema: Schema): string | undefined {
  const { format, pattern } = schema;
  const fits = (text: string): boolean => {
    const whole = padded(text, schema);
    return hasForm(schema, whole) && lengthOf(whole) <= maxLengthOf(schema);
  };
  const filler = typeof format === 'string' ? fillers[format] : undefined;
  if (filler !== undefined && fits(filler)) return filler;
  return (typeof pattern === 'string' ? textOfPattern(pattern, fits) : undefined) ?? filler;
}

/** A text made as long as a schema demands. */
export const padded = (text: string, { minLength }: Schema): string =>
  text + '.'.repeat(Math.max(0, Number(minLength ?? 0) - lengthOf(text)));

/** How long a text may be. */
export const maxLengthOf = ({ maxLength }: Schema): number => Number(maxLength ?? Infinity);

const fillers: Record<string, string> = {
  date: '1970-01-01',
  'date-time': '1970-01-01T00:00:00.000Z',
  duration: 'PT0S',
  email: 'nobody@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  time: '00:00:00Z',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/** How long a text is, as JSON Schema counts. */
export const lengthOf = (text: string): number => Array.from(text).length;
