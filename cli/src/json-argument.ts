import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';

/** A JSON value given on the command line: the text itself, `@file`, or `@-` for standard input. */
export function parseJsonArgument(argument: string): unknown {
  const text = argument.startsWith('@') ? readSource(argument.slice(1)) : argument;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    throw new InvalidArgumentError(`Not JSON: ${reasonOf(cause)}`);
  }
}

function readSource(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new InvalidArgumentError(`Cannot read ${path}: ${reasonOf(cause)}`);
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
