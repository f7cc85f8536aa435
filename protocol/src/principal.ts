import { hash } from 'node:crypto';
import { z } from 'zod';

/** The role that may answer every question, whoever it is for. */
export const operatorRole = 'operator';

/**
 * Names that are nobody's own: of callers without a token, of the mesh itself, of what came as an event, of a role. A
 * caller that no token proved must have one of them: a principal of the same name would be taken for it.
 */
const reservedNames: ReadonlySet<string> = new Set([
  'coordinator',
  'dapr',
  'event',
  'event-bus',
  'local',
  'mesh',
  operatorRole,
  'workflow',
]);

const Name = z
  .string()
  .regex(/^[\p{L}\p{N}](?:[\p{L}\p{N}._@+-]{0,98}[\p{L}\p{N}])?$/u, 'must be up to 100 letters, digits or . _ @ + -')
  // Else one person could be there twice under names that look the same.
  .refine((name) => name === name.normalize('NFKC'), 'has letters that stand for others (Unicode NFKC)');

/** Somebody with a token of their own. The token itself is stored nowhere. */
export const Principal = z.strictObject({
  name: Name.refine((name) => !reservedNames.has(name.toLowerCase()), 'is a name of the mesh itself'),
  /** SHA-256 of the token, in hex. */
  tokenSha256: z.string().regex(/^[0-9a-f]{64}$/u, 'must be a SHA-256 in lower-case hex'),
  roles: z.array(Name).max(50),
});
export type Principal = z.infer<typeof Principal>;

/** The principals of a mesh. A name stands for one person or one role, and a token for one person. */
export const Principals = z
  .array(Principal)
  .max(10_000)
  .superRefine((principals, context) => {
    const names = new Map<string, number>();
    const tokens = new Map<string, number>();
    const refuse = (index: number, field: keyof Principal, message: string): void =>
      context.addIssue({ code: 'custom', path: [index, field], message });
    for (const [index, { name, tokenSha256 }] of principals.entries()) {
      if (names.has(name.toLowerCase())) refuse(index, 'name', `"${name}" is there twice`);
      if (tokens.has(tokenSha256))
        refuse(index, 'tokenSha256', `is also that of ${principals[tokens.get(tokenSha256) ?? 0]?.name}`);
      names.set(name.toLowerCase(), index);
      tokens.set(tokenSha256, index);
    }
    for (const [index, { roles }] of principals.entries()) {
      const person = roles.find((role) => names.has(role.toLowerCase()));
      if (person !== undefined) refuse(index, 'roles', `"${person}" is the name of a person`);
    }
  });
export type Principals = z.infer<typeof Principals>;

/** What is stored of a token. Tokens are random and long, so that a plain hash tells nothing about them. */
export const tokenDigest = (token: string): string => hash('sha256', token, 'hex');
