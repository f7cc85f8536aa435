import { score } from '../score.ts';

/** Scores a text for insults and contempt, with evidence. */
export const scoreToxicity = score;
