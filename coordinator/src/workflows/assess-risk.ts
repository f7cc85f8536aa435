/** How sure a post is to break a rule, from what the moderators scored; null for one that could not be asked. */
export interface Assessment {
  /** 0 to 1. */
  risk: number;
  needsPerson: boolean;
}

/** How much of the remaining doubt the other scores may take. */
const combinationShare = 0.25;

/**
 * The highest score counts; the others raise it a little, since a text that is a bit of everything is worse than its worst
 * part. A moderator that did not answer might have been the one to object, so a person decides then.
 */
export function assessRisk(scores: Readonly<Record<string, number | null>>, threshold: number): Assessment {
  const [highest = 0, ...others] = Object.values(scores)
    .filter((score) => score !== null)
    .toSorted((a, b) => b - a);
  const mean = others.length > 0 ? others.reduce((sum, score) => sum + score, 0) / others.length : 0;
  const risk = Math.round((highest + (1 - highest) * combinationShare * mean) * 10_000) / 10_000;
  return { risk, needsPerson: risk >= threshold || Object.values(scores).includes(null) };
}
