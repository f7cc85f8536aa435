import {
  A2A_ERROR_CODE,
  A2A_ERROR_DOMAIN,
  A2AError,
  ERROR_INFO_TYPE,
  restStatusFor,
  toJsonRpcError,
  toRestErrorBody,
} from '@a2a-js/sdk/errors';
import { isMeshError, type MeshError, type MeshErrorCode } from '../../mesh-error.ts';

/** An error as it leaves the agent; each binding picks its fields. */
export interface WireError {
  readonly jsonRpcCode: number;
  readonly httpStatus: number;
  /** The name of the google.rpc.Code. */
  readonly status: string;
  readonly message: string;
  /** `data` in JSON-RPC, `details` in REST: always with a google.rpc.ErrorInfo (A2A specification, 9.5 and 11.6). */
  readonly details: readonly unknown[];
  /** Whether the cause is the agent's own fault and belongs into its log. */
  readonly isInternal: boolean;
}

type Kind = readonly [jsonRpcCode: number, httpStatus: number, status: string, reason?: string];

const { INVALID_PARAMS, INTERNAL_ERROR, METHOD_NOT_FOUND, INVALID_REQUEST } = A2A_ERROR_CODE;
const invalid: Kind = [INVALID_PARAMS, 400, 'INVALID_ARGUMENT'];
const internal: Kind = [INTERNAL_ERROR, 500, 'INTERNAL'];
const forbidden: Kind = [INVALID_REQUEST, 403, 'PERMISSION_DENIED'];
const unsupported: Kind = [A2A_ERROR_CODE.UNSUPPORTED_OPERATION, 400, 'FAILED_PRECONDITION', 'UNSUPPORTED_OPERATION'];
const unavailable: Kind = [INTERNAL_ERROR, 503, 'UNAVAILABLE'];

/**
 * What each code becomes. A code that means one of A2A's own errors carries A2A's reason; the mesh code stands in the
 * metadata either way.
 */
const kinds: Record<MeshErrorCode, Kind> = {
  ALREADY_APPROVED: [INVALID_PARAMS, 409, 'ALREADY_EXISTS'],
  ALREADY_RUNNING: unsupported,
  ANSWER_INVALID: invalid,
  ATTEMPTS_EXHAUSTED: internal,
  AUTHENTICATION_REQUIRED: forbidden,
  CANCELED: [INTERNAL_ERROR, 499, 'CANCELLED'],
  COMPENSATION_FAILED: internal,
  CONTENT_TYPE_NOT_SUPPORTED: [A2A_ERROR_CODE.CONTENT_TYPE_NOT_SUPPORTED, 415, 'INVALID_ARGUMENT'],
  DATABASE_LOCKED: unavailable,
  DEADLINE_EXCEEDED: [INTERNAL_ERROR, 504, 'DEADLINE_EXCEEDED'],
  DEVICE_LOW_BATTERY: unsupported,
  DEVICE_OFFLINE: unavailable,
  DEVICE_STUCK: unsupported,
  EVENT_NOT_FOUND: [INVALID_PARAMS, 404, 'NOT_FOUND'],
  FORBIDDEN: forbidden,
  GUARDRAIL_TRIPPED: internal,
  INSTANCE_REPLACED: internal,
  INTERNAL: internal,
  INVALID_ARGUMENT: invalid,
  INVALID_OUTPUT: [A2A_ERROR_CODE.INVALID_AGENT_RESPONSE, 500, 'INTERNAL', 'INVALID_AGENT_RESPONSE'],
  MESSAGE_ID_REUSED: invalid,
  METHOD_NOT_ALLOWED: [METHOD_NOT_FOUND, 405, 'UNIMPLEMENTED'],
  MODEL_REFUSED: internal,
  NON_DETERMINISM: internal,
  NOT_ASSIGNED: forbidden,
  NOT_FOUND: [METHOD_NOT_FOUND, 404, 'NOT_FOUND'],
  ORDER_CONFLICT: invalid,
  ORDER_REFUSED: unsupported,
  OUT_OF_STOCK: unsupported,
  OUTCOME_UNKNOWN: internal,
  PATH_NOT_ALLOWED: [INVALID_REQUEST, 403, 'PERMISSION_DENIED'],
  PAYLOAD_MISSING: internal,
  PAYLOAD_TOO_LARGE: [INVALID_REQUEST, 413, 'OUT_OF_RANGE'],
  PEER_FAILED: internal,
  PEER_NOT_FOUND: [INVALID_PARAMS, 404, 'NOT_FOUND'],
  PEER_REJECTED: internal,
  PEER_UNREACHABLE: unavailable,
  QUESTION_CLOSED: unsupported,
  QUESTION_ID_REQUIRED: invalid,
  QUESTION_NOT_FOUND: [INVALID_PARAMS, 404, 'NOT_FOUND'],
  RESOURCE_EXHAUSTED: [INTERNAL_ERROR, 429, 'RESOURCE_EXHAUSTED'],
  RUN_FINISHED: unsupported,
  RUN_NOT_FOUND: [INVALID_PARAMS, 404, 'NOT_FOUND'],
  SKILL_NOT_FOUND: invalid,
  SKILL_REQUIRED: invalid,
  STORE_FAILED: unavailable,
  TASK_BUSY: unsupported,
  TASK_NOT_CANCELABLE: [A2A_ERROR_CODE.TASK_NOT_CANCELABLE, 400, 'FAILED_PRECONDITION', 'TASK_NOT_CANCELABLE'],
  TASK_NOT_FOUND: [A2A_ERROR_CODE.TASK_NOT_FOUND, 404, 'NOT_FOUND', 'TASK_NOT_FOUND'],
  TASK_TERMINAL: unsupported,
  TOOL_NOT_ALLOWED: [INVALID_REQUEST, 403, 'PERMISSION_DENIED'],
  UNAUTHENTICATED: [INVALID_REQUEST, 401, 'UNAUTHENTICATED'],
  UNAVAILABLE: unavailable,
  VERSION_NOT_SUPPORTED: [A2A_ERROR_CODE.VERSION_NOT_SUPPORTED, 400, 'FAILED_PRECONDITION', 'VERSION_NOT_SUPPORTED'],
  WORKFLOW_NOT_FOUND: [INVALID_PARAMS, 404, 'NOT_FOUND'],
};

/** Turns whatever was thrown into what may be sent. Of an unexpected error only its kind is told. */
export function toWireError(error: unknown): WireError {
  if (isMeshError(error)) return fromMeshError(error);
  if (error instanceof A2AError) {
    const httpStatus = restStatusFor(error);
    const rest = toRestErrorBody(error, httpStatus).error;
    return {
      jsonRpcCode: toJsonRpcError(error).code,
      httpStatus,
      status: rest.status,
      message: rest.message,
      details: rest.details,
      isInternal: httpStatus >= 500,
    };
  }
  return {
    jsonRpcCode: INTERNAL_ERROR,
    httpStatus: 500,
    status: 'INTERNAL',
    message: 'internal error; the agent has logged the reason',
    details: [errorInfo('INTERNAL', { code: 'INTERNAL', retryable: 'false' })],
    isInternal: true,
  };
}

function fromMeshError(error: MeshError): WireError {
  const [jsonRpcCode, httpStatus, status, reason] = kinds[error.code] ?? internal;
  const details: unknown[] = [errorInfo(reason ?? error.code, metadataOf(error))];
  const violations = error.details?.['violations'];
  if (Array.isArray(violations)) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: violations.map(({ path, message }: { path: string; message: string }) => ({
        field: path,
        description: message,
      })),
    });
  }
  return { jsonRpcCode, httpStatus, status, message: error.message, details, isInternal: httpStatus === 500 };
}

const errorInfo = (reason: string, metadata: Record<string, string>) => ({
  '@type': ERROR_INFO_TYPE,
  reason,
  domain: A2A_ERROR_DOMAIN,
  metadata,
});

/** ErrorInfo takes strings only. */
function metadataOf({ code, retryable, details = {} }: MeshError): Record<string, string> {
  const metadata: Record<string, string> = { code, retryable: String(retryable) };
  for (const [key, value] of Object.entries(details)) {
    if (value !== undefined && key !== 'violations') {
      metadata[key] = typeof value === 'string' ? value : JSON.stringify(value);
    }
  }
  return metadata;
}

/** The body of a JSON-RPC error. */
export const jsonRpcErrorBody = (id: unknown, { jsonRpcCode, message, details }: WireError) => ({
  jsonrpc: '2.0',
  id: id ?? null,
  error: { code: jsonRpcCode, message, data: details },
});

/** The body of a REST error: google.rpc.Status as JSON. */
export const restErrorBody = ({ httpStatus, status, message, details }: WireError) => ({
  error: { code: httpStatus, status, message, details },
});
