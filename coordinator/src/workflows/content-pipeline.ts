import { format } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import type { Failure } from '../workflow-kit/contract.ts';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';

/** Keywords of a text -> a draft about them -> the draft in the wanted format. What ends it without a result is logged in SQL. */
export const contentPipeline = defineWorkflow({
  name: 'content-pipeline',
  version: 1,
  title: 'Content pipeline',
  description: 'Writes a short piece around the keywords of a text and formats it.',
  input: z
    .strictObject({
      text: z.string().min(1).max(100_000),
      format: z.enum(['markdown', 'html', 'text']).default('markdown'),
    })
    .meta({ examples: [{ text: 'Durable workflows survive the crash of any process.', format: 'html' }] }),
  output: z.strictObject({
    content: z.string(),
    mediaType: format.output.shape.mediaType,
    keywords: z.array(z.string()),
    /** Null where a person chose to go on without a draft: the text itself is formatted then. */
    title: z.string().nullable(),
    /** The model that wrote the draft. */
    model: z.string().nullable(),
  }),
  async *run(mesh, { text, format: as }) {
    mesh.compensate('error log', (failure) => logError(mesh, failure));
    const extracted = yield* mesh.call({ skill: 'extract-keywords' }, { text });
    const keywords = extracted.keywords.map(({ term }) => term);
    const draft = yield* mesh.call(
      { skill: 'write' },
      // A text without keywords is its own topic.
      { keywords: keywords.length > 0 ? keywords : [text.slice(0, 200)] },
      { retry: { attempts: 4 }, timeout: '2m', repeatable: true, onExhausted: 'ask-human' },
    );
    const formatted = yield* mesh.call(
      { skill: 'format' },
      draft ? { title: draft.title, text: draft.text, as } : { text, as },
      { repeatable: true },
    );
    return { ...formatted, keywords, title: draft?.title ?? null, model: draft?.model ?? null };
  },
});

/** Keeps what ended the run where the business looks for it. A run that a person canceled is no error. */
async function* logError(mesh: Mesh, { code, message }: Failure): Step<void> {
  if (code === 'CANCELED') return;
  yield* mesh.call(
    { skill: 'log-error' },
    { runId: mesh.runId, workflow: 'content-pipeline', code, message: message.slice(0, 10_000) },
  );
}
