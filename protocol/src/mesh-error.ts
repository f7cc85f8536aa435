/**
 * Every error code of the mesh. A code says what happened; each edge maps it once: `protocol/server` to A2A errors,
 * the coordinator's HTTP API to problem+json, the command line to an exit code.
 */
export type MeshErrorCode =
  | 'ALREADY_APPROVED'
  | 'ALREADY_RUNNING'
  | 'ANSWER_INVALID'
  | 'ATTEMPTS_EXHAUSTED'
  | 'AUTHENTICATION_REQUIRED'
  | 'CANCELED'
  | 'COMPENSATION_FAILED'
  | 'CONTENT_TYPE_NOT_SUPPORTED'
  | 'DATABASE_LOCKED'
  | 'DEADLINE_EXCEEDED'
  | 'DEVICE_LOW_BATTERY'
  | 'DEVICE_OFFLINE'
  | 'DEVICE_STUCK'
  | 'EVENT_NOT_FOUND'
  | 'FORBIDDEN'
  | 'GUARDRAIL_TRIPPED'
  | 'INSTANCE_REPLACED'
  | 'INTERNAL'
  | 'INVALID_ARGUMENT'
  | 'INVALID_OUTPUT'
  | 'MESSAGE_ID_REUSED'
  | 'METHOD_NOT_ALLOWED'
  | 'MODEL_REFUSED'
  | 'NON_DETERMINISM'
  | 'NOT_ASSIGNED'
  | 'NOT_FOUND'
  | 'ORDER_CONFLICT'
  | 'ORDER_REFUSED'
  | 'OUT_OF_STOCK'
  | 'OUTCOME_UNKNOWN'
  | 'PATH_NOT_ALLOWED'
  | 'PAYLOAD_MISSING'
  | 'PAYLOAD_TOO_LARGE'
  | 'PEER_FAILED'
  | 'PEER_NOT_FOUND'
  | 'PEER_REJECTED'
  | 'PEER_UNREACHABLE'
  | 'QUESTION_CLOSED'
  | 'QUESTION_ID_REQUIRED'
  | 'QUESTION_NOT_FOUND'
  | 'RESOURCE_EXHAUSTED'
  | 'RUN_FINISHED'
  | 'RUN_NOT_FOUND'
  | 'SKILL_NOT_FOUND'
  | 'SKILL_REQUIRED'
  | 'STORE_FAILED'
  | 'TASK_BUSY'
  | 'TASK_NOT_CANCELABLE'
  | 'TASK_NOT_FOUND'
  | 'TASK_TERMINAL'
  | 'TOOL_NOT_ALLOWED'
  | 'UNAUTHENTICATED'
  | 'UNAVAILABLE'
  | 'VERSION_NOT_SUPPORTED'
  | 'WORKFLOW_NOT_FOUND';

/** What a {@link MeshError} is made of. */
export interface MeshErrorOptions {
  /** Whether the same request may succeed later without being changed; false by default. */
  retryable?: boolean;
  /** Facts for the caller, safe to send over the wire: ids, paths, allowed forms. */
  details?: Record<string, unknown>;
  /** The original failure: logged, never sent. */
  cause?: unknown;
}

/** The one error class of the mesh. Test `error.code`, never `instanceof`, across packages. */
export class MeshError extends Error {
  readonly code: MeshErrorCode;
  readonly retryable: boolean;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: MeshErrorCode, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MeshError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details;
  }
}

/** Whether a caught value is a {@link MeshError} (by its shape, so that a duplicate install does not matter). */
export function isMeshError(error: unknown): error is MeshError {
  return error instanceof Error && error.name === 'MeshError' && 'code' in error;
}
