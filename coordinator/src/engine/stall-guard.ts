import type { WorkflowRuntime } from './sdk.ts';
import { interceptTurnAnswers, type TurnAnswer } from './sdk-internals.ts';

/** A run that cannot go on with the code this worker has. */
export interface Stall {
  instanceId: string;
  reason: 'NON_DETERMINISM' | 'WORKFLOW_NOT_FOUND';
  message: string;
}

/** By the name of the error's class, which is what the wire keeps of it. */
const stallReasons: Readonly<Record<string, Stall['reason']>> = {
  NonDeterminismError: 'NON_DETERMINISM',
  OrchestratorNotRegisteredError: 'WORKFLOW_NOT_FOUND',
};

/**
 * The SDK fails an instance whose code does not fit its history, or that this worker has no code for. Both say something
 * about the worker, not about the run: the turn is answered with no action instead, which leaves the instance running
 * and waiting. Any further event makes a turn, and a worker with the right code then goes on where it stopped.
 */
export function guardStalls(runtime: WorkflowRuntime, onStall: (stall: Stall) => void): void {
  interceptTurnAnswers(runtime, (answer) => {
    const stall = stallOf(answer);
    if (!stall) return;
    answer.setActionsList([]);
    onStall(stall);
  });
}

/** Why an answer would end an instance that should wait for another worker; undefined for every other answer. */
export function stallOf(answer: TurnAnswer): Stall | undefined {
  for (const action of answer.getActionsList()) {
    const failure = action.getCompleteorchestration()?.getFailuredetails();
    const reason = failure && stallReasons[failure.getErrortype()];
    if (reason) return { instanceId: answer.getInstanceid(), reason, message: failure.getErrormessage() };
  }
  return undefined;
}
