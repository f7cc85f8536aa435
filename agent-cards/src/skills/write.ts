import { z } from 'zod';

/** Writes a short draft around given keywords. */
export const write = {
  input: z.strictObject({
    keywords: z.array(z.string().min(1).max(200)).min(1).max(50),
    topic: z.string().min(1).max(500).optional(),
    tone: z.enum(['neutral', 'friendly', 'formal']).default('neutral'),
    maxWords: z.int().min(20).max(2000).default(200),
  }),
  output: z.strictObject({
    title: z.string(),
    /** Markdown. */
    text: z.string(),
    /** The model that wrote it. */
    model: z.string(),
  }),
};
