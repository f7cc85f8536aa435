/** A duration: milliseconds, or a number with a unit (`500ms`, `30s`, `2m`, `24h`, `7d`). */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration in milliseconds. */
export function toMs(duration: Duration): number {
  if (typeof duration === 'number') return checked(duration, duration);
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) ?? [];
  return checked(Math.round(Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN)), duration);
}

function checked(ms: number, duration: Duration): number {
  if (!Number.isFinite(ms) || ms < 0) throw new TypeError(`not a duration: ${duration}`);
  return ms;
}
