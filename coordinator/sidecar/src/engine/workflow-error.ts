/** Why a client's request cannot be served. Edges turn it into their protocol's error. */
export type WorkflowErrorCode = 'ALREADY_EXISTS' | 'NOT_FOUND' | 'NOT_COMPLETED' | 'CHILDREN_ACTIVE' | 'SHUTTING_DOWN';

export class WorkflowError extends Error {
  readonly code: WorkflowErrorCode;

  constructor(code: WorkflowErrorCode, message: string) {
    super(message);
    this.name = 'WorkflowError';
    this.code = code;
  }
}

/** In daprd's words, which SDKs and users know. */
export function noSuchInstance(): WorkflowError {
  return new WorkflowError('NOT_FOUND', 'no such instance exists');
}
