import { type Task, TaskState } from '@a2a-js/sdk';
import { extensionData, extensionUris } from '../extensions.ts';
import { digest } from '../ids.ts';
import { MeshError, type MeshErrorCode } from '../mesh-error.ts';
import { dataOf, textOf } from '../parts.ts';
import { Question } from '../question.ts';
import { isInterrupted } from '../task-states.ts';
import { isObject } from './json.ts';

/**
 * The result of a completed task: the data of its last artifact that has any, else the text of its last artifact.
 * Undefined while the task runs, when it did not complete, or when it made nothing. Results are read from artifacts
 * only (A2A specification, section 3.7).
 */
export function taskResult(task: Task): unknown {
  if (task.status?.state !== TaskState.TASK_STATE_COMPLETED) return undefined;
  const withData = task.artifacts.findLast(({ parts }) => dataOf(parts).length > 0);
  if (withData) return dataOf(withData.parts)[0];
  const text = textOf(task.artifacts.at(-1)?.parts);
  return text === '' ? undefined : text;
}

/**
 * The question a task in INPUT_REQUIRED or AUTH_REQUIRED waits for. An agent that knows no structured questions gets
 * one made of its text, to be answered freely.
 */
export function taskQuestion(task: Task): Question | undefined {
  const { status } = task;
  if (!status || !isInterrupted(status.state)) return undefined;
  const { message } = status;
  for (const candidate of [extensionData(message?.metadata, extensionUris.question), ...dataOf(message?.parts)]) {
    const question = Question.safeParse(candidate);
    if (question.success) return question.data;
  }
  return {
    // The same question must have the same id each time it is read, and another one another.
    id: `q${digest([task.id, message?.messageId ?? status.timestamp]).slice(0, 12)}`,
    prompt: (textOf(message?.parts) || 'the agent waits for input').slice(0, 10_000),
    actions: ['answer'],
    path: [],
  };
}

const failureCodes: Partial<Record<TaskState, MeshErrorCode>> = {
  [TaskState.TASK_STATE_FAILED]: 'PEER_FAILED',
  [TaskState.TASK_STATE_REJECTED]: 'PEER_REJECTED',
  [TaskState.TASK_STATE_CANCELED]: 'CANCELED',
};

/**
 * Why a task ended without a result: `PEER_FAILED`, `PEER_REJECTED` or `CANCELED`, with the agent's own code in
 * `details.code` and whether it calls the failure retryable. Undefined for every other state.
 */
export function taskError(task: Task): MeshError | undefined {
  const code = failureCodes[task.status?.state ?? TaskState.TASK_STATE_UNSPECIFIED];
  if (!code) return undefined;
  const parts = task.status?.message?.parts;
  const described = dataOf(parts).find((data) => isObject(data) && isObject(data['error']));
  const error = isObject(described) && isObject(described['error']) ? described['error'] : {};
  const text = typeof error['message'] === 'string' ? error['message'] : textOf(parts);
  return new MeshError(code, text || `the task ended as ${code}`, {
    retryable: error['retryable'] === true,
    details: { taskId: task.id, ...(typeof error['code'] === 'string' ? { code: error['code'] } : {}) },
  });
}
