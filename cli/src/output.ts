import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** One line of result on standard output. */
export const print = (line = ''): void => void process.stdout.write(`${line}\n`);

/** One JSON value on one line of standard output. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** One line beside the result (progress, hints) on standard error. */
export const note = (line = ''): void => void process.stderr.write(`${line}\n`);

/** Coloured text where standard output is a terminal and NO_COLOR is unset. */
export const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** Control characters made visible, so that what an agent wrote cannot drive the reader's terminal. */
export const harmless = (text: string): string =>
  // Matching control characters is the purpose.
  // oxlint-disable-next-line no-control-regex
  stripVTControlCharacters(text).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD');

/** On one line and at most so many characters long. */
export function shorten(text: string, maxLength: number): string {
  const line = harmless(text).replaceAll(/\s+/g, ' ').trim();
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}

/** A table with aligned columns; empty rows give the heading only. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [heading, ...rows].map((row) => row.map((cell) => shorten(cell, 200)));
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [paint('bold', lines[0] ?? ''), ...lines.slice(1)];
}

/** `12 ms`, `3.4 s`, `5 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
