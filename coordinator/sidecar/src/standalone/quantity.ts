/** A command line that cannot be followed. */
export class UsageError extends Error {}

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES: Readonly<Record<string, number>> = {
  '': 1,
  K: 1000,
  M: 1000 ** 2,
  G: 1000 ** 3,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
};

/** `7d`, `12h`, `30m`, `45s`, `500ms` in milliseconds. */
export function parseDuration(option: string, text: string): number {
  return parseQuantity(text, MILLISECONDS) ?? refuse(option, text, 'a duration such as 7d, 12h, 30m or 45s');
}

/** `4Mi`, `512Ki`, `1M`, `4194304` in bytes. */
export function parseSize(option: string, text: string, maxBytes: number): number {
  const sizeBytes = parseQuantity(text, BYTES);
  if (sizeBytes && sizeBytes <= maxBytes) return sizeBytes;
  return refuse(option, text, `a size such as 4Mi or 512Ki, of at most ${maxBytes} bytes`);
}

export function parsePort(option: string, text: string): number {
  const port = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : refuse(option, text, 'a port, or 0 for any free one');
}

export function parseChoice<Choice extends string>(option: string, text: string, choices: readonly Choice[]): Choice {
  return choices.find((choice) => choice === text) ?? refuse(option, text, choices.join(' or '));
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+)([A-Za-z]*)$/u.exec(text) ?? [];
  const factor = digits === '' || !Object.hasOwn(units, unit) ? undefined : units[unit];
  const value = factor === undefined ? Number.NaN : Number(digits) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

function refuse(option: string, text: string, expected: string): never {
  throw new UsageError(`${option} must be ${expected}, not "${text}"`);
}
