import { timingSafeEqual } from 'node:crypto';
import { operatorRole, type Principal, tokenDigest } from '../principal.ts';

/** The caller of requests that need no token. */
export const localCaller = 'local';
/** The caller of requests with the token of the mesh. */
export const meshCaller = 'mesh';

/** What a Dapr sidecar delivers: whoever may publish to its topics stands behind it. Nobody's token has this name. */
export const sidecarCaller = 'dapr';

/** The coordinator itself, where one of its runs tells something to another. Nobody's token has this name. */
export const workflowCaller = 'workflow';

/** Who did something, and what that allows. */
export interface Caller {
  readonly name: string;
  readonly roles: readonly string[];
  /** Whether a token proved the name. */
  readonly authenticated: boolean;
}

/** Everybody who may call. */
export interface Callers {
  /** Whether a token is demanded at all. */
  readonly areKnown: boolean;
  /** Whose token it is; undefined for nobody's. Takes equally long whoever it is. */
  readonly authenticate: (token: string) => string | undefined;
  /** What is known of a caller by the name that `authenticate` gave, or of somebody who came without a token. */
  readonly identify: (name: string) => Caller;
}

/**
 * Knows callers by their tokens: that of the mesh, which may do everything, and those of its principals. Without a list
 * of them nobody can be told from others, and everybody may do what an operator may; an empty list is one.
 */
export function createCallers(known: {
  token?: string | undefined;
  principals?: readonly Principal[] | undefined;
}): Callers {
  const { token, principals = [] } = known;
  const byName = new Map<string, Caller>(
    principals.map(({ name, roles }) => [name, { name, roles, authenticated: true }]),
  );
  byName.set(workflowCaller, { name: workflowCaller, roles: [operatorRole], authenticated: true });
  if (token !== undefined) byName.set(meshCaller, { name: meshCaller, roles: [operatorRole], authenticated: true });
  const rolesOfOthers = known.principals === undefined ? [operatorRole] : [];
  const digests = [
    ...(token === undefined ? [] : [{ name: meshCaller, digest: Buffer.from(tokenDigest(token)) }]),
    ...principals.map(({ name, tokenSha256 }) => ({ name, digest: Buffer.from(tokenSha256) })),
  ];
  return {
    areKnown: digests.length > 0,
    authenticate: (given) => {
      const digest = Buffer.from(tokenDigest(given));
      let found: string | undefined;
      for (const each of digests) if (timingSafeEqual(each.digest, digest)) found ??= each.name;
      return found;
    },
    identify: (name) => byName.get(name) ?? { name, roles: rolesOfOthers, authenticated: false },
  };
}
