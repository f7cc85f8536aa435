import { CaseFacts, Measurements } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import { type Finding, findingsOf, isSymptom, labelOf, type Symptom } from './knowledge/findings.ts';
import { type Candidate, matchFindings } from './knowledge/match-findings.ts';

/** A fact that would help and is not known. */
export interface MissingFact {
  key: string;
  /** What it is, for people. */
  label: string;
  /** What its value must be; null stands for "nobody can tell". */
  schema: z.ZodType;
}

/** What findings are derived from, and how people call it. */
const measured: Partial<Record<Finding, readonly [keyof z.infer<typeof Measurements>, string]>> = {
  fever: ['temperatureC', 'the temperature in °C'],
  'fast-heart': ['heartRate', 'the heart rate per minute'],
  'low-oxygen': ['oxygenPercent', 'the oxygen saturation in percent'],
  'high-blood-pressure': ['systolicMmHg', 'the systolic blood pressure in mmHg'],
};

const { ageYears: AgeYears, conditions: Conditions } = CaseFacts.shape.patient.shape;
const fixed: readonly MissingFact[] = [
  { key: 'symptoms', label: 'the symptoms', schema: z.array(z.string().trim().min(1).max(200)).min(1).max(20) },
  { key: 'ageYears', label: "the patient's age in years", schema: AgeYears.unwrap() },
  { key: 'conditions', label: "the patient's known conditions (an empty list for none)", schema: Conditions.unwrap() },
];

/** As sure as this, and as far ahead of the next, nothing more is asked. */
const clear = { confidence: 0.65, lead: 0.15 };
const candidatesCompared = 3;
const maxFacts = 5;

/** The facts that would help most, also those that nobody could tell. */
export function missingFacts(facts: CaseFacts): MissingFact[] {
  const findings = findingsOf(facts);
  const candidates = matchFindings(findings);
  const needed = new Set<string>();
  if (findings.present.size === 0) needed.add('symptoms');
  if (facts.patient.ageYears === undefined) needed.add('ageYears');
  for (const finding of isClear(candidates) ? [] : openFindings(candidates)) needed.add(factOf(finding));
  return [...needed].slice(0, maxFacts).map(toFact);
}

function isClear([first, second]: readonly Candidate[]): boolean {
  if (!first) return true;
  return first.confidence >= clear.confidence && first.confidence - (second?.confidence ?? 0) >= clear.lead;
}

/** One finding of each candidate in turn, so that each of them gets its chance. */
function openFindings(candidates: readonly Candidate[]): Finding[] {
  const compared = candidates.slice(0, candidatesCompared).map(({ open }) => open);
  return Array.from({ length: maxFacts }, (_, rank) => compared.flatMap((open) => open[rank] ?? [])).flat();
}

function factOf(finding: Finding): string {
  const measurement = measured[finding];
  if (measurement) return measurement[0];
  if (isSymptom(finding)) return finding;
  return finding === 'aged-60-or-over' ? 'ageYears' : 'conditions';
}

/** The fact with a key. */
export function toFact(key: string): MissingFact {
  const known = fixed.find((fact) => fact.key === key);
  if (known) return known;
  const measurement = Object.values(measured).find(([name]) => name === key);
  if (measurement) return { key, label: measurement[1], schema: Measurements.shape[measurement[0]].unwrap() };
  // What is neither of these is a symptom.
  return { key, label: `whether there is ${labelOf(key as Symptom)}`, schema: z.boolean() };
}

/** What an answer about facts must fit: every fact, or null. */
export const answerSchema = (facts: readonly MissingFact[]) =>
  z.strictObject(Object.fromEntries(facts.map(({ key, label, schema }) => [key, schema.nullable().describe(label)])));

const Names = z.array(z.string());

/** The facts with an answer about those that were missing. */
export function withAnswer(facts: CaseFacts, answer: Readonly<Record<string, unknown>>): CaseFacts {
  const next = structuredClone(facts);
  for (const [key, value] of Object.entries(answer)) {
    if (value === null) next.unknown = [...(next.unknown ?? []), key];
    else if (key === 'symptoms') next.symptoms.push(...Names.parse(value).map((name) => ({ name })));
    else if (key === 'ageYears' || key === 'conditions') Object.assign(next.patient, { [key]: value });
    else if (Object.hasOwn(Measurements.shape, key)) next.measurements = { ...next.measurements, [key]: value };
    else next.symptoms.push({ name: key, ...(value === true ? {} : { severity: 'none' as const }) });
  }
  return next;
}
