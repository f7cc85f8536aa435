import { z } from 'zod';
import { Row, Source } from '../source.ts';

const Figure = z.strictObject({
  /** What it measures: `mean of price in table:orders`. */
  label: z.string(),
  value: z.number(),
});

/** Finds what stands out in data. Every figure is computed from the sources, none is the model's own. */
export const analyzeData = {
  input: z.strictObject({
    topic: z.string().min(1).max(500),
    question: z.string().min(1).max(2_000).optional(),
    sources: z.array(Source).min(1).max(200),
  }),
  output: z.strictObject({
    title: z.string(),
    summary: z.string(),
    findings: z.array(
      z.strictObject({
        statement: z.string(),
        /** URIs of the sources it rests on. */
        evidence: z.array(z.string()).min(1),
        figures: z.array(Figure).optional(),
      }),
    ),
    tables: z
      .array(z.strictObject({ caption: z.string(), columns: z.array(z.string()), rows: z.array(Row) }))
      .optional(),
    /** The model that chose and worded the findings. */
    model: z.string(),
  }),
};
