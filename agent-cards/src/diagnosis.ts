import { z } from 'zod';

const term = z.string().trim().min(1).max(200);

/** Who the diagnosis is about; nothing in it names the person. */
const Patient = z.strictObject({
  ageYears: z.int().min(0).max(130).optional(),
  sex: z.enum(['female', 'male', 'other']).optional(),
  conditions: z.array(term).max(50).optional(),
  medications: z.array(term).max(50).optional(),
  allergies: z.array(term).max(50).optional(),
});

const Symptom = z.strictObject({
  name: term,
  sinceDays: z.number().min(0).max(36_500).optional(),
  /** `none`: asked for, and not there. */
  severity: z.enum(['none', 'mild', 'moderate', 'severe']).optional(),
});

/** What was measured. */
export const Measurements = z.strictObject({
  temperatureC: z.number().min(25).max(45).optional(),
  heartRate: z.int().min(20).max(300).optional(),
  oxygenPercent: z.number().min(50).max(100).optional(),
  systolicMmHg: z.int().min(40).max(300).optional(),
});

/** What is known about a case. */
export const CaseFacts = z.strictObject({
  patient: Patient,
  complaint: z.string().trim().min(1).max(4_000),
  symptoms: z.array(Symptom).max(60),
  measurements: Measurements.optional(),
  /** What clinicians said about earlier drafts, in order. */
  remarks: z.array(z.string().min(1).max(10_000)).max(20).optional(),
  /** Facts that nobody could tell; they are not asked for again. */
  unknown: z.array(z.string().min(1).max(100)).max(60).optional(),
});
export type CaseFacts = z.infer<typeof CaseFacts>;

/** How soon a clinician should see the patient. */
export const Urgency = z.enum(['routine', 'soon', 'urgent']);
export type Urgency = z.infer<typeof Urgency>;

/** A condition that may explain the case. */
export const Hypothesis = z.strictObject({
  condition: z.string().min(1).max(200),
  confidence: z.number().min(0).max(1),
  reasons: z.array(z.string().min(1).max(1_000)).max(20),
  /** What speaks against it. */
  against: z.array(z.string().min(1).max(1_000)).max(20),
});

/** What may explain a case, the likeliest first, and what would tell. */
export const Diagnosis = z.strictObject({
  hypotheses: z.array(Hypothesis).max(10),
  urgency: Urgency,
  recommendedTests: z.array(z.string().min(1).max(200)).max(20),
});
export type Diagnosis = z.infer<typeof Diagnosis>;
