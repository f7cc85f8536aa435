import { score } from '../score.ts';

/** Scores a text for threats and incitement, with evidence. */
export const scoreViolence = score;
