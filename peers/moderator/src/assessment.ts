import type { Span } from './plain-text.ts';

/** One place that speaks for the score. */
export interface Evidence extends Span {
  reason: string;
  /** Its share in the score, in logits. */
  weight: number;
}

/** What a moderator says of a text. */
export interface Assessment {
  score: number;
  evidence: Evidence[];
  reasons: string[];
  model: string;
}

const maxEvidence = 50;
const maxReasons = 5;
/** Each further place counts this much of what it would alone: ten mild words do not make a threat. */
const repetitionFactor = 0.75;

/**
 * Combines evidence by a logistic model: `score = 1 / (1 + exp(-(bias + sum of weights)))`. The bias is the logit of a
 * text with no evidence at all.
 */
export function assess(
  found: readonly Evidence[],
  options: { model: string; bias: number; clean: string },
): Assessment {
  const evidence = found
    .toSorted((a, b) => b.weight - a.weight || a.start - b.start)
    .slice(0, maxEvidence)
    .map(({ start, end, quote, reason, weight }, index) => ({
      start,
      end,
      quote,
      reason,
      weight: round(weight * repetitionFactor ** index),
    }));
  const logit = evidence.reduce((sum, { weight }) => sum + weight, options.bias);
  const reasons = [...new Set(evidence.map(({ reason }) => reason))].slice(0, maxReasons);
  return {
    score: round(1 / (1 + Math.exp(-logit))),
    evidence,
    reasons: reasons.length > 0 ? reasons : [options.clean],
    model: options.model,
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
