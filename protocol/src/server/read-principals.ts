import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Principals } from '../principal.ts';

/** Reads a file of principals, as the environment names it; every problem in it becomes one of the environment. */
export const PrincipalsFile = z.string().transform((path, context): Principals => {
  const refuse = (message: string): void => context.addIssue({ code: 'custom', message: `${path}: ${message}` });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // What was read is not repeated: somebody may have put a token into it.
    refuse(error instanceof SyntaxError ? 'is not JSON' : error instanceof Error ? error.message : String(error));
    return z.NEVER;
  }
  const parsed = Principals.safeParse(json);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) refuse(`${issue.path.join('.') || 'the list'}: ${issue.message}`);
  return z.NEVER;
});
