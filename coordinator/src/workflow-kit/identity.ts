import { digest } from '@daca-mesh/protocol';

/**
 * Every id the kit derives contains run, generation and branch path, so that replay, retry and continue-as-new can
 * never confuse two of them. A path is counted per branch: the order in which concurrent branches happen to advance
 * changes no id.
 */
export interface Origin {
  runId: string;
  generation: number;
}

/** Longest run id that leaves room for a suffix within 63 characters. */
const longestRunId = 49;

const rootOf = (runId: string): string => (runId.length <= longestRunId ? runId : digest(runId).slice(0, 32));

/** Longest root id of children that leaves room for their questions. */
const longestRootId = 36;

const derivedId = (origin: Origin, kind: 'c' | 'q' | 'w' | 'm', path: string): string =>
  `${rootOf(origin.runId)}-${kind}${digest([origin.runId, origin.generation, path]).slice(0, 12)}`;

/** The id of a call, stable over its attempts. */
export const callIdOf = (origin: Origin, path: string): string => derivedId(origin, 'c', path);

/** The id of a question a workflow asks. */
export const questionIdOf = (origin: Origin, path: string): string => derivedId(origin, 'q', path);

/** The id of a wait for a user-named event. */
export const waitIdOf = (origin: Origin, path: string): string => derivedId(origin, 'w', path);

/** The id of a `map`: of the rows of its items. */
export const mapIdOf = (origin: Origin, path: string): string => derivedId(origin, 'm', path);

/** The id of a child: of the same length at any depth, and another one in each generation of its parent. */
export function childIdOf(origin: Origin & { root: string | undefined }, path: string): string {
  const root = origin.root ?? origin.runId;
  const prefix = root.length <= longestRootId ? root : digest(root).slice(0, 32);
  return `${prefix}-${digest([origin.runId, origin.generation, path]).slice(0, 12)}`;
}

/** The id of an event that reached the instance without one. */
export const proposalIdOf = (origin: Origin, path: string): string =>
  `proposal-${digest([origin.runId, origin.generation, path]).slice(0, 32)}`;

/** The messageId of one attempt of a call. */
export const messageIdOf = (origin: Origin, path: string, attempt: number): string =>
  digest([origin.runId, origin.generation, path, attempt]).slice(0, 32);

/** What the effect of a call is recognized by, whichever attempt causes it. */
export const effectKeyOf = (origin: Origin, path: string): string =>
  digest([origin.runId, origin.generation, path]).slice(0, 32);

/** A UUID (version 8: made from a hash) that is the same in every replay. */
export function uuidOf(origin: Origin, path: string): string {
  const hex = digest(['uuid', origin.runId, origin.generation, path]);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

/** A number from 0 to 1 that is the same in every replay: the seed of jitter. */
export const fractionOf = (origin: Origin, path: string, attempt: number): number =>
  Number.parseInt(digest(['jitter', origin.runId, origin.generation, path, attempt]).slice(0, 8), 16) / 0xffff_ffff;
