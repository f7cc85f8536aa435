/**
 * Why a client's request cannot be served. Edges turn it into their protocol's error.
 *
 * - `INVALID_ID`: the id of a new instance is none that daprd could store.
 * - `NOT_FOUND`: no such instance.
 * - `NOT_IN_HISTORY`: the instance or event whose history was asked for does not exist.
 * - `NOT_COMPLETED`: the instance, or one of its children, has not ended.
 * - `STALLED`: the instance waits for another worker or larger limits and takes no requests meanwhile.
 */
export type WorkflowErrorCode =
  | 'ALREADY_EXISTS'
  | 'INVALID_ARGUMENT'
  | 'INVALID_ID'
  | 'NOT_FOUND'
  | 'NOT_IN_HISTORY'
  | 'NOT_COMPLETED'
  | 'STALLED'
  | 'SHUTTING_DOWN';

export class WorkflowError extends Error {
  readonly code: WorkflowErrorCode;

  constructor(code: WorkflowErrorCode, message: string) {
    super(message);
    this.name = 'WorkflowError';
    this.code = code;
  }
}

/** In daprd's words, which SDKs and users know; as are those below. */
export function noSuchInstance(): WorkflowError {
  return new WorkflowError('NOT_FOUND', 'no such instance exists');
}

export function notCompleted(prefix = ''): WorkflowError {
  return new WorkflowError('NOT_COMPLETED', `${prefix}orchestration has not yet completed`);
}

export function instanceStalled(id: string): WorkflowError {
  return new WorkflowError('STALLED', `failed to invoke method for workflow '${id}': actor is stalled`);
}
