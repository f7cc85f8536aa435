import { noWorkflow } from '../workflow-kit/versions.ts';
import { explainMismatch, type RecordedEvent } from './recorded-steps.ts';
import type { WorkflowRuntime } from './sdk.ts';
import { interceptTurnAnswers, type TurnAnswer } from './sdk-worker.ts';

/** Why a run cannot go on: its code does not fit, is not there, or a value it needs is gone. */
type StallReason = 'NON_DETERMINISM' | 'WORKFLOW_NOT_FOUND' | 'PAYLOAD_MISSING';

/** A run that cannot go on with the code this worker has. */
export interface Stall {
  instanceId: string;
  reason: StallReason;
  message: string;
}

/** By the name of the error's class, which is what the wire keeps of it. */
const stallReasons: Readonly<Record<string, StallReason>> = {
  NonDeterminismError: 'NON_DETERMINISM',
  OrchestratorNotRegisteredError: 'WORKFLOW_NOT_FOUND',
  PayloadMissingError: 'PAYLOAD_MISSING',
};

/**
 * The SDK fails an instance whose code does not fit its history, or that this worker has no code for. Both say something
 * about the worker, not about the run: the turn is answered with no action instead, which leaves the instance running
 * and waiting. Any further event makes a turn, and a worker with the right code then goes on where it stopped.
 */
export function guardStalls(runtime: WorkflowRuntime, onStall: (stall: Stall) => void): void {
  interceptTurnAnswers(runtime, (send, request) => (answer, reply) => {
    const stall = stallOf(answer, [...request.getPasteventsList(), ...request.getNeweventsList()]);
    if (stall) {
      answer.setActionsList([]);
      onStall(stall);
    }
    send(answer, reply);
  });
}

/** Why an answer would end an instance that should wait for another worker; undefined for every other answer. */
export function stallOf(
  answer: Pick<TurnAnswer, 'getInstanceid' | 'getActionsList'>,
  history: readonly RecordedEvent[],
): Stall | undefined {
  for (const action of answer.getActionsList()) {
    const failure = action.getCompleteorchestration()?.getFailuredetails();
    const reason = failure && stallReasons[failure.getErrortype()];
    if (!reason) continue;
    const message = explain(reason, failure.getErrormessage(), history);
    return { instanceId: answer.getInstanceid(), reason, message };
  }
  return undefined;
}

/** In the words of the run, not of the SDK. */
function explain(reason: StallReason, message: string, history: readonly RecordedEvent[]): string {
  switch (reason) {
    case 'NON_DETERMINISM':
      return explainMismatch(message, history);
    case 'WORKFLOW_NOT_FOUND':
      return noWorkflow(/'(.+)'/u.exec(message)?.[1] ?? message);
    case 'PAYLOAD_MISSING':
      return message;
    default:
      return reason satisfies never;
  }
}
