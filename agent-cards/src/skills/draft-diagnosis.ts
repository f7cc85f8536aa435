import { z } from 'zod';
import { CaseFacts, Diagnosis } from '../diagnosis.ts';

/** Drafts a diagnosis for a clinician; asks its caller for the facts it misses. */
export const draftDiagnosis = {
  input: CaseFacts,
  output: Diagnosis.extend({
    /** What would have helped and nobody could tell. */
    missing: z.array(z.string()),
    /** The case as it was judged: as given, with what was asked for on the way. */
    facts: CaseFacts,
    disclaimer: z.string(),
    /** The model that wrote the reasons. */
    model: z.string(),
  }),
};
