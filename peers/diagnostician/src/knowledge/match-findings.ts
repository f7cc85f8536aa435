import type { Urgency } from '@daca-mesh/agent-cards';
import { type Condition, conditions } from './conditions.ts';
import { type Finding, type Findings, labelOf } from './findings.ts';

/** A condition that the findings speak for. */
export interface Candidate {
  condition: string;
  /** 0 to 1, two decimals. */
  confidence: number;
  reasons: string[];
  against: string[];
  urgency: Urgency;
  tests: readonly string[];
  /** Findings that would speak for it and are not known, the strongest first. */
  open: Finding[];
}

const maxCandidates = 5;
const leastConfidence = 0.2;

/** The conditions that findings speak for, the likeliest first. */
export const matchFindings = (findings: Findings): Candidate[] =>
  conditions
    .map((condition) => judge(condition, findings))
    .filter(({ confidence }) => confidence >= leastConfidence)
    .toSorted((a, b) => b.confidence - a.confidence || a.condition.localeCompare(b.condition, 'en'))
    .slice(0, maxCandidates);

/**
 * Findings add up as independent hints do: together they leave the product of the doubt that each leaves alone. One that
 * is known to be absent takes away its share.
 */
function judge({ name, urgency, findings, tests }: Condition, { present, absent }: Findings): Candidate {
  // The keys of this literal are findings by its type.
  const weighted = (Object.entries(findings) as [Finding, number][]).toSorted(([, a], [, b]) => b - a);
  const reasons = weighted.filter(([finding]) => present.has(finding));
  const against = weighted.filter(([finding]) => absent.has(finding) && finding !== 'aged-60-or-over');
  const doubt = reasons.reduce((left, [, weight]) => left * (1 - weight), 1);
  const share = against.reduce((left, [, weight]) => left * (1 - weight), 1);
  return {
    condition: name,
    confidence: Math.round((1 - doubt) * share * 100) / 100,
    reasons: reasons.map(([finding]) => capitalized(labelOf(finding))),
    against: against.map(([finding]) => `No ${labelOf(finding)}`),
    urgency,
    tests,
    open: weighted.flatMap(([finding]) => (present.has(finding) || absent.has(finding) ? [] : [finding])),
  };
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const order: readonly Urgency[] = ['routine', 'soon', 'urgent'];

/** Somebody should look soon where nothing is known; else as soon as the gravest condition that is likely enough needs. */
export function urgencyOf(candidates: readonly Candidate[]): Urgency {
  const [likeliest] = candidates;
  if (!likeliest) return 'soon';
  const grave = candidates
    .filter(({ confidence }) => confidence >= Math.min(0.5, likeliest.confidence))
    .map(({ urgency }) => order.indexOf(urgency));
  return order[Math.max(...grave)] ?? 'soon';
}
