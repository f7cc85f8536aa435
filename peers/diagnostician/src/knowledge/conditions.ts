import type { Urgency } from '@daca-mesh/agent-cards';
import type { Finding } from './findings.ts';

/** A condition, as far as this agent knows it. */
export interface Condition {
  name: string;
  urgency: Urgency;
  /** How strongly each finding alone speaks for it, 0 to 1. */
  findings: Partial<Record<Finding, number>>;
  tests: readonly string[];
}

/**
 * All that this agent knows of medicine: a small table for drafts that a clinician judges, no reference. The weights
 * order conditions against each other; they are no measured likelihoods.
 */
export const conditions: readonly Condition[] = [
  {
    name: 'Common cold',
    urgency: 'routine',
    findings: { 'runny-nose': 0.45, sneezing: 0.3, 'sore-throat': 0.25, cough: 0.2, fatigue: 0.1 },
    tests: [],
  },
  {
    name: 'Influenza',
    urgency: 'soon',
    findings: { fever: 0.35, 'muscle-pain': 0.4, cough: 0.25, headache: 0.2, fatigue: 0.2, chills: 0.25 },
    tests: ['influenza swab'],
  },
  {
    name: 'Pneumonia',
    urgency: 'urgent',
    findings: {
      fever: 0.3,
      cough: 0.35,
      breathlessness: 0.35,
      'pain-on-breathing': 0.3,
      'low-oxygen': 0.45,
      'fast-heart': 0.15,
      'aged-60-or-over': 0.1,
    },
    tests: ['chest X-ray', 'C-reactive protein', 'full blood count'],
  },
  {
    name: 'Streptococcal pharyngitis',
    urgency: 'soon',
    findings: { 'sore-throat': 0.4, 'swollen-tonsils': 0.5, fever: 0.25 },
    tests: ['throat swab'],
  },
  {
    name: 'Asthma exacerbation',
    urgency: 'urgent',
    findings: { wheezing: 0.5, breathlessness: 0.35, asthma: 0.4, cough: 0.15, 'low-oxygen': 0.2 },
    tests: ['peak flow', 'oxygen saturation'],
  },
  {
    name: 'Seasonal allergy',
    urgency: 'routine',
    findings: { sneezing: 0.4, 'itchy-eyes': 0.5, 'runny-nose': 0.3 },
    tests: ['allergy test'],
  },
  {
    name: 'Acute coronary syndrome',
    urgency: 'urgent',
    findings: {
      'chest-pain': 0.45,
      'pain-into-arm-or-jaw': 0.5,
      sweating: 0.25,
      breathlessness: 0.15,
      nausea: 0.1,
      'aged-60-or-over': 0.15,
      'high-blood-pressure': 0.1,
      diabetes: 0.1,
    },
    tests: ['electrocardiogram', 'troponin'],
  },
  {
    name: 'Pulmonary embolism',
    urgency: 'urgent',
    findings: {
      breathlessness: 0.3,
      'pain-on-breathing': 0.3,
      'leg-swelling': 0.5,
      'fast-heart': 0.25,
      'low-oxygen': 0.3,
      'chest-pain': 0.2,
    },
    tests: ['D-dimer', 'CT pulmonary angiography'],
  },
  {
    name: 'Migraine',
    urgency: 'routine',
    findings: { 'one-sided-headache': 0.45, headache: 0.3, 'light-sensitivity': 0.35, nausea: 0.2 },
    tests: [],
  },
  {
    name: 'Meningitis',
    urgency: 'urgent',
    findings: {
      'neck-stiffness': 0.55,
      fever: 0.25,
      headache: 0.2,
      'light-sensitivity': 0.2,
      confusion: 0.35,
      rash: 0.25,
    },
    tests: ['blood culture', 'lumbar puncture'],
  },
  {
    name: 'Gastroenteritis',
    urgency: 'routine',
    findings: { diarrhoea: 0.5, vomiting: 0.35, nausea: 0.2, 'abdominal-pain': 0.2, fever: 0.1 },
    tests: ['stool culture'],
  },
  {
    name: 'Appendicitis',
    urgency: 'urgent',
    findings: { 'pain-right-lower-abdomen': 0.55, 'abdominal-pain': 0.25, fever: 0.15, nausea: 0.15, vomiting: 0.15 },
    tests: ['abdominal ultrasound', 'full blood count'],
  },
  {
    name: 'Urinary tract infection',
    urgency: 'soon',
    findings: { 'burning-urination': 0.55, 'frequent-urination': 0.35 },
    tests: ['urine dipstick', 'urine culture'],
  },
  {
    name: 'Pyelonephritis',
    urgency: 'urgent',
    findings: { 'flank-pain': 0.5, fever: 0.3, 'burning-urination': 0.25, chills: 0.25, nausea: 0.1 },
    tests: ['urine culture', 'kidney ultrasound'],
  },
  {
    name: 'Type 2 diabetes',
    urgency: 'soon',
    findings: { thirst: 0.45, 'frequent-urination': 0.35, 'weight-loss': 0.3, fatigue: 0.15 },
    tests: ['fasting glucose', 'HbA1c'],
  },
];
