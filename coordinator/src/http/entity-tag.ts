import { z } from 'zod';

/** The header of a client that has something already: entity tags, separated by commas, or `*` for any. */
export const IfNoneMatch = z.string().max(1_000);

/**
 * Whether the client has what bears this tag, compared weakly (RFC 9110, 13.1.2). Express looks too, but not where a
 * request says `no-cache`, as `fetch` makes every request with this header do.
 */
export const isKnown = (ifNoneMatch: string | undefined, tag: string): boolean =>
  ifNoneMatch?.split(',').some((each) => ['*', strong(tag)].includes(strong(each.trim()))) ?? false;

const strong = (tag: string): string => tag.replace(/^W\//, '');
