import { type Schema, typeOf } from './json-schema.ts';

/** The number next to a fact that the schema allows; the smallest where there is no fact. */
export function numberWithin(schema: Schema, fact: unknown): number {
  const isInteger = typeOf(schema) === 'integer';
  const step = Number(schema['multipleOf'] ?? (isInteger ? 1 : 0));
  const low = bound(schema['minimum'], schema['exclusiveMinimum'], Math.max, isInteger ? 1 : 1e-6);
  const high = bound(schema['maximum'], schema['exclusiveMaximum'], Math.min, isInteger ? -1 : -1e-6);
  const wanted = typeof fact === 'number' ? fact : (low ?? Math.min(0, high ?? 0));
  const bounded = Math.min(Math.max(wanted, low ?? -Infinity), high ?? Infinity);
  if (step === 0) return bounded;
  const up = Math.ceil(bounded / step) * step;
  return up <= (high ?? Infinity) ? up : Math.floor(bounded / step) * step;
}

/** The stricter of a bound and an exclusive one, which is met `margin` further in. */
function bound(
  inclusive: unknown,
  exclusive: unknown,
  stricter: (a: number, b: number) => number,
  margin: number,
): number | undefined {
  const bounds = [
    ...(typeof inclusive === 'number' ? [inclusive] : []),
    ...(typeof exclusive === 'number' ? [exclusive + margin] : []),
  ];
  return bounds.length === 0 ? undefined : bounds.reduce(stricter);
}

/** A fact of the format a schema asks for, else a value that has it; undefined where no format is asked for. */
export function formatted({ format }: Schema, fact: unknown): string | undefined {
  const filler = typeof format === 'string' ? formats[format] : undefined;
  if (filler === undefined) return undefined;
  return typeof fact === 'string' && looksLike(String(format), fact) ? fact : filler;
}

const formats: Record<string, string> = {
  date: '1970-01-01',
  'date-time': '1970-01-01T00:00:00.000Z',
  email: 'nobody@example.com',
  time: '00:00:00Z',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

function looksLike(format: string, text: string): boolean {
  switch (format) {
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text);
    case 'date-time':
      return (
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
      );
    case 'email':
      return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text);
    case 'time':
      return /^\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)$/.test(text);
    case 'uri':
      return URL.canParse(text);
    default:
      return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);
  }
}
