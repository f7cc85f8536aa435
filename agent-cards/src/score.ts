import { z } from 'zod';

/** What every moderator takes and gives; each has a skill of its own, since their scores mean different things. */
export const score = {
  input: z.strictObject({ text: z.string().min(1).max(100_000) }),
  output: z.strictObject({
    score: z.number().min(0).max(1),
    /** Where the score comes from: `text.slice(start, end) === quote`, in UTF-16 code units of the text as received. */
    evidence: z.array(
      z.strictObject({
        start: z.int().min(0),
        end: z.int().min(0),
        quote: z.string(),
        reason: z.string(),
        /** Its share in the score, in logits; negative where it speaks against. */
        weight: z.number(),
      }),
    ),
    /** Sentences for the person who decides, the most important first. */
    reasons: z.array(z.string()),
    model: z.string(),
  }),
};
