import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Principals } from '@daca-mesh/protocol';
import { InvalidArgumentError } from 'commander';
import { replaceFile } from './replace-file.ts';

/**
 * Reads who has a token of their own.
 * @throws InvalidArgumentError with everything that is wrong with the file.
 */
export function readPrincipals(path: string): Principals {
  try {
    return parsePrincipals(path, readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new InvalidArgumentError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Changes who has a token of their own, in a file readable by its owner only, which is made where there is none. Two who
 * change it at once take turns: the lock is an SQLite file beside it, which the operating system frees with its process.
 * @throws InvalidArgumentError as `readPrincipals`, and when what would be written is no list of principals.
 */
export function changePrincipals(path: string, change: (principals: Principals) => Principals): void {
  mkdirSync(dirname(path), { recursive: true });
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 10_000 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    const text = `${JSON.stringify(change(existsSync(path) ? readPrincipals(path) : []), null, 2)}\n`;
    parsePrincipals(path, text);
    replaceFile(path, text);
  } finally {
    lock.close();
  }
}

function parsePrincipals(path: string, text: string): Principals {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // What was read is not repeated: somebody may have put a token into it.
    throw new InvalidArgumentError(`${path} is not JSON`);
  }
  const parsed = Principals.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'the list'}: ${message}`);
  throw new InvalidArgumentError(`${path} is no list of principals: ${problems.join('; ')}`);
}
