import { score } from '../score.ts';

/** Scores a text for unsolicited advertising and fraud, with evidence. */
export const scoreSpam = score;
