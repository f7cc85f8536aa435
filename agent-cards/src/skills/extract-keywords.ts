import { z } from 'zod';

const Language = z.enum(['en', 'de', 'fr', 'es']);

/** Ranks the words and phrases a text is about. */
export const extractKeywords = {
  input: z.strictObject({
    text: z.string().min(1).max(100_000),
    /** Guessed from the text where it is missing. */
    language: Language.optional(),
    limit: z.int().min(1).max(50).default(10),
  }),
  output: z.strictObject({
    /** Best first; the best one scores 1. */
    keywords: z.array(z.strictObject({ term: z.string(), score: z.number().min(0).max(1) })),
    language: Language,
  }),
};
