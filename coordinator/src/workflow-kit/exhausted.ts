import type { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askQuestion } from './ask-question.ts';
import type { CallRequest } from './contract.ts';
import type { Step } from './orchestration.ts';
import type { Place, Run } from './run.ts';

/** A call that failed for good. */
export interface ExhaustedCall {
  place: Place;
  callId: string;
  target: string;
  input: unknown;
  attempt: number;
  error: MeshError;
  /** What a value given by a person must fit; undefined for a skill that is not known. */
  outputSchema: z.ZodType | undefined;
}

/** What happens next with a failed call; an abort is thrown. */
export type Decision = { choice: 'retry' } | { choice: 'skip' } | { choice: 'value'; value: unknown };

/** Decides by the call's policies; where they say so, a person chooses. Throws the call's error to give up. */
export async function* decideExhausted(
  run: Run,
  call: ExhaustedCall,
  onUnknown: CallRequest['onUnknown'],
  onExhausted: 'fail' | 'ask-human',
): Step<Decision> {
  if (call.error.code === 'OUTCOME_UNKNOWN' && onUnknown === 'ask-human') {
    return yield* askChoice(run, call, ['resend', 'value', 'fail']);
  }
  if (onExhausted === 'fail') throw call.error;
  return yield* askChoice(run, call, ['retry', 'value', 'skip', 'abort']);
}

const Choice = z.object({
  choice: z.enum(['retry', 'resend', 'value', 'skip', 'fail', 'abort']),
  value: z.unknown().optional(),
});

async function* askChoice(run: Run, call: ExhaustedCall, choices: string[]): Step<Decision> {
  const { branch, path } = call.place;
  const failed = `${call.target} failed at attempt ${call.attempt}: ${call.error.message}`;
  for (let round = 0, problem = ''; ; round++) {
    const verdict = yield* askQuestion(
      run,
      { branch, path: `${path}.exhausted-${call.attempt}-${round}` },
      {
        prompt: `${problem}${failed}\nHow shall the run go on?`,
        schema: choiceSchema(call, choices),
        actions: ['answer'],
        arguments: {
          callId: call.callId,
          target: call.target,
          input: call.input,
          attempts: call.attempt,
          error: call.error.message,
        },
      },
    );
    const answer = Choice.safeParse(verdict.answer?.value);
    if (!answer.success) throw call.error;
    const { choice, value } = answer.data;
    switch (choice) {
      case 'retry':
      case 'resend':
        return { choice: 'retry' };
      case 'skip':
        return { choice };
      case 'fail':
      case 'abort':
        throw call.error;
      case 'value': {
        const checked = (call.outputSchema ?? z.unknown()).safeParse(value);
        if (checked.success) return { choice, value: checked.data };
        problem = `That value does not fit: ${z.prettifyError(checked.error)}\n`;
        break;
      }
      default:
        choice satisfies never;
    }
  }
}

function choiceSchema({ outputSchema }: ExhaustedCall, choices: string[]): Record<string, unknown> {
  const value = outputSchema ? z.toJSONSchema(outputSchema, { io: 'input' }) : {};
  return {
    type: 'object',
    properties: { choice: { enum: choices }, value },
    required: ['choice'],
    additionalProperties: false,
  };
}
