import { z } from 'zod';

/** Renders Markdown as Markdown, HTML or plain text, without anything a browser would execute. */
export const format = {
  input: z.strictObject({
    title: z.string().min(1).max(500).optional(),
    /** Markdown; HTML in it is sanitized. */
    text: z.string().min(1).max(100_000),
    as: z.enum(['markdown', 'html', 'text']).default('markdown'),
  }),
  output: z.strictObject({
    content: z.string(),
    mediaType: z.enum(['text/markdown', 'text/html', 'text/plain']),
  }),
};
