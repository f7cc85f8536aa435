import type { CaseFacts } from '@daca-mesh/agent-cards';

/** What a finding is called, and the words that stand for it in a text. Lower case; the first is its name for people. */
const phrases = {
  'abdominal-pain': ['abdominal pain', 'stomach ache', 'stomach pain', 'belly pain', 'tummy ache'],
  breathlessness: ['breathlessness', 'shortness of breath', 'short of breath', 'dyspnoea', 'hard to breathe'],
  'burning-urination': ['burning when urinating', 'burning urination', 'painful urination', 'dysuria'],
  'chest-pain': ['chest pain', 'chest pressure', 'tight chest', 'pressure on the chest'],
  chills: ['chills', 'shivering', 'shaking chills'],
  confusion: ['confusion', 'confused', 'disoriented'],
  cough: ['cough', 'coughing', 'productive cough', 'dry cough'],
  diarrhoea: ['diarrhoea', 'diarrhea', 'loose stools'],
  fatigue: ['fatigue', 'tired', 'tiredness', 'exhausted', 'exhaustion', 'weakness'],
  fever: ['fever', 'feverish', 'febrile', 'high temperature'],
  'flank-pain': ['flank pain', 'kidney pain', 'pain in the side'],
  'frequent-urination': ['frequent urination', 'urinating often', 'passing water often'],
  headache: ['headache', 'head pain', 'head hurts'],
  'itchy-eyes': ['itchy eyes', 'watery eyes', 'red eyes'],
  'leg-swelling': ['swelling of one leg', 'leg swelling', 'swollen leg', 'swollen calf'],
  'light-sensitivity': ['sensitivity to light', 'light sensitivity', 'light hurts', 'photophobia'],
  'muscle-pain': ['muscle pain', 'muscle aches', 'aching limbs', 'body aches', 'myalgia'],
  nausea: ['nausea', 'nauseous', 'feeling sick'],
  'neck-stiffness': ['stiff neck', 'neck stiffness'],
  'one-sided-headache': ['headache on one side', 'one-sided headache', 'unilateral headache'],
  'pain-into-arm-or-jaw': ['pain into arm or jaw', 'pain in the left arm', 'jaw pain', 'arm pain'],
  'pain-on-breathing': ['pain on breathing in', 'pain on breathing', 'pleuritic pain'],
  'pain-right-lower-abdomen': ['pain in the right lower abdomen', 'right lower abdominal pain', 'lower right pain'],
  rash: ['rash', 'skin rash', 'spots on the skin'],
  'runny-nose': ['runny nose', 'blocked nose', 'stuffy nose', 'congestion'],
  sneezing: ['sneezing', 'sneezes'],
  'sore-throat': ['sore throat', 'throat pain', 'throat hurts'],
  sweating: ['cold sweat', 'sweating', 'sweats'],
  'swollen-tonsils': ['swollen tonsils', 'white spots on the tonsils', 'tonsils are swollen'],
  thirst: ['thirst', 'thirsty', 'drinking a lot'],
  vomiting: ['vomiting', 'throwing up'],
  'weight-loss': ['weight loss', 'losing weight'],
  wheezing: ['wheezing', 'whistling breath'],
} as const satisfies Record<string, readonly [string, ...string[]]>;

/** What follows from measurements and from who the patient is. */
const derived = {
  'aged-60-or-over': 'age of 60 or over',
  asthma: 'known asthma',
  diabetes: 'known diabetes',
  'fast-heart': 'heart rate of 100 or more',
  'high-blood-pressure': 'systolic blood pressure of 140 or more',
  'low-oxygen': 'oxygen saturation below 94 %',
} as const;

/** Something that a patient has or has not, and that speaks for or against a condition. */
export type Finding = keyof typeof phrases | keyof typeof derived;

/** A finding that can only be asked for: nobody measures it. */
export type Symptom = keyof typeof phrases;

export const isSymptom = (finding: Finding): finding is Symptom => Object.hasOwn(phrases, finding);

/** A finding's name for people. */
export const labelOf = (finding: Finding): string => (isSymptom(finding) ? phrases[finding][0] : derived[finding]);

/** What is there, and what is known not to be there. Everything else is not known. */
export interface Findings {
  present: ReadonlySet<Finding>;
  absent: ReadonlySet<Finding>;
}

/** Reads the findings of a case: its symptoms and measurements, and what the complaint and the remarks say in words. */
export function findingsOf(facts: CaseFacts): Findings {
  const known = new Map<Finding, boolean>();
  // Later entries win: what was measured or asked for is surer than what somebody wrote.
  for (const text of [facts.complaint, ...(facts.remarks ?? [])]) readText(text, known);
  for (const { name, severity } of facts.symptoms) {
    for (const symptom of symptomsIn(name)) known.set(symptom, severity !== 'none');
  }
  readPatient(facts.patient, known);
  readMeasurements(facts.measurements ?? {}, known);
  const having = (value: boolean): ReadonlySet<Finding> =>
    new Set([...known].flatMap(([finding, isPresent]) => (isPresent === value ? [finding] : [])));
  return { present: having(true), absent: having(false) };
}

// The keys of a literal object are its own names.
const symptomIds = Object.keys(phrases) as Symptom[];

/** The symptoms that a name stands for: the one it is the id or a phrase of, else those it mentions. */
function symptomsIn(name: string): Symptom[] {
  const text = name.trim().toLowerCase();
  const exact = symptomIds.filter((symptom) => symptom === text || phrases[symptom].some((phrase) => phrase === text));
  return exact.length > 0 ? exact : symptomIds.filter((symptom) => mention(text, symptom) !== undefined);
}

const patterns = new Map(
  symptomIds.map((symptom) => [symptom, new RegExp(String.raw`\b(?:${phrases[symptom].join('|')})\b`, 'u')]),
);

/** Where a text mentions a symptom. */
const mention = (text: string, symptom: Symptom): number | undefined => patterns.get(symptom)?.exec(text)?.index;

const negation = /\b(?:no|not|without|denies|never|free of)\b/u;

/** Clause by clause, because a "no" reaches no further: "no fever, but a cough". It stands before what it denies. */
function readText(text: string, known: Map<Finding, boolean>): void {
  for (const clause of text.toLowerCase().split(/[.;,!?\n]|\b(?:but|and)\b/u)) {
    for (const symptom of symptomIds) {
      const at = mention(clause, symptom);
      if (at !== undefined) known.set(symptom, !negation.test(clause.slice(0, at)));
    }
  }
}

function readPatient({ ageYears, conditions }: CaseFacts['patient'], known: Map<Finding, boolean>): void {
  if (ageYears !== undefined) known.set('aged-60-or-over', ageYears >= 60);
  for (const condition of ['asthma', 'diabetes'] as const) {
    if (conditions)
      known.set(
        condition,
        conditions.some((name) => name.toLowerCase().includes(condition)),
      );
  }
}

function readMeasurements(
  { temperatureC, heartRate, oxygenPercent, systolicMmHg }: NonNullable<CaseFacts['measurements']>,
  known: Map<Finding, boolean>,
): void {
  if (temperatureC !== undefined) known.set('fever', temperatureC >= 38);
  if (heartRate !== undefined) known.set('fast-heart', heartRate >= 100);
  if (oxygenPercent !== undefined) known.set('low-oxygen', oxygenPercent < 94);
  if (systolicMmHg !== undefined) known.set('high-blood-pressure', systolicMmHg >= 140);
}
