import { TaskState } from '@a2a-js/sdk';

const terminal: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
]);

const interrupted: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_INPUT_REQUIRED,
  TaskState.TASK_STATE_AUTH_REQUIRED,
]);

/** Whether a task in this state will never change again (A2A specification, TaskState). */
export const isTerminal = (state: TaskState): boolean => terminal.has(state);

/** Whether a task in this state waits for its caller (A2A specification, TaskState). */
export const isInterrupted = (state: TaskState): boolean => interrupted.has(state);
