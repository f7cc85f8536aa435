import type { Model } from '@openai/agents';
import { MeshError } from '../mesh-error.ts';

/** Everything in one answer as JSON: more than any model writes that is well. */
const maxChars = 500_000;
/** Tool calls of one answer: each may be a question to a person, and all of them run at once. */
const maxCalls = 32;

/** A model whose answers have an end: one that is too long, or calls too many tools at once, is an answer in a wrong form. */
export const boundedModel = (model: Model): Model => ({
  getResponse: async (request) => {
    const response = await model.getResponse(request);
    assertBounded(response.output);
    return response;
  },
  async *getStreamedResponse(request) {
    let chars = 0;
    for await (const event of model.getStreamedResponse(request)) {
      if (event.type === 'output_text_delta' && (chars += event.delta.length) > maxChars) throw tooMuch('is too long');
      if (event.type === 'response_done') assertBounded(event.response.output);
      yield event;
    }
  },
  getRetryAdvice: (request) => model.getRetryAdvice?.(request),
});

function assertBounded(output: readonly { type?: string | undefined }[]): void {
  if (output.filter(({ type }) => type === 'function_call').length > maxCalls)
    throw tooMuch('calls too many tools at once');
  if (JSON.stringify(output).length > maxChars) throw tooMuch('is too long');
}

const tooMuch = (what: string): MeshError =>
  new MeshError('INVALID_OUTPUT', `the answer of the model ${what}`, { retryable: true });
