import { grpcCodeOf, grpcCodes } from './engine-error.ts';
import { messages, newMessage, type WorkflowRuntime } from './sdk.ts';
import { type ActivityAnswer, interceptActivityAnswers, interceptTurnAnswers, type TurnAnswer } from './sdk-worker.ts';

/**
 * The SDK only logs when the engine refuses an answer as too large: the run then waits for ever. The largest result of
 * an activity is half of what a message may have (4 MiB, also daprd's default), since it becomes part of the history
 * that every later turn is sent.
 */
const maxResultBytes = 2 * 1024 * 1024;

/**
 * Makes answers that are too large failures that a run can see: of the activity, with the code `PAYLOAD_TOO_LARGE`, or
 * of the instance where it is the turn itself. Before they are sent, and after a refusal, since an engine may have other
 * limits.
 */
export function guardOversize(runtime: WorkflowRuntime): void {
  interceptActivityAnswers(runtime, (send) => (answer, reply) => {
    if (resultBytes(answer) > maxResultBytes) shrinkActivity(answer);
    send(answer, (error, value) => {
      if (isTooLarge(error) && shrinkActivity(answer)) send(answer, reply);
      else reply(error, value);
    });
  });
  interceptTurnAnswers(runtime, (send) => (answer, reply) => {
    send(answer, (error, value) => {
      if (!isTooLarge(error)) return reply(error, value);
      shrinkTurn(answer, error);
      send(answer, reply);
    });
  });
}

const isTooLarge = (error: Error | null): error is Error => grpcCodeOf(error) === grpcCodes.resourceExhausted;

function resultBytes(answer: ActivityAnswer): number {
  return Buffer.byteLength(answer.getResult()?.getValue() ?? '');
}

/** Puts a failure in the place of an activity's output; false if there is none. */
function shrinkActivity(answer: ActivityAnswer): boolean {
  const result = answer.getResult();
  // Written by answerActivity, the only thing that is registered.
  const reply = JSON.parse(result?.getValue() || '{}') as Record<string, unknown>;
  if (!result || !('output' in reply)) return false;
  const { output: _, ...recorded } = reply;
  const message = `the result of the activity is too large: ${resultBytes(answer)} bytes`;
  result.setValue(JSON.stringify({ ...recorded, error: { code: 'PAYLOAD_TOO_LARGE', message, retryable: false } }));
  return true;
}

/** Named like the embedded engine's own. */
class PayloadTooLarge extends Error {}

function shrinkTurn(answer: TurnAnswer, cause: Error): void {
  const failure = newMessage.newFailureDetails(
    new PayloadTooLarge(`what the run asked for in one turn is too large for the engine: ${cause.message}`),
  );
  const failed = messages.OrchestrationStatus.ORCHESTRATION_STATUS_FAILED;
  answer.setActionsList([newMessage.newCompleteOrchestrationAction(-1, failed, undefined, failure)]);
}
