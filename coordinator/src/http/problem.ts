import { isMeshError, MeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import { z } from 'zod';

/** An error as every route reports it: RFC 9457, with the mesh's own code. */
export const Problem = z
  .looseObject({
    type: z.string().meta({ examples: ['urn:daca-mesh:error:RUN_NOT_FOUND'] }),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    /** Whether the same request may succeed later. */
    retryable: z.boolean(),
    errors: z
      .array(z.object({ path: z.string().describe('Such as `text`, `value.items[0]`, `limit`'), message: z.string() }))
      .optional(),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457); further members are facts about it' });
export type Problem = z.infer<typeof Problem>;

/** The HTTP status of each error code. */
const problemStatus: Record<MeshErrorCode, number> = {
  ALREADY_APPROVED: 409,
  ALREADY_RUNNING: 409,
  ANSWER_INVALID: 400,
  ATTEMPTS_EXHAUSTED: 502,
  AUTHENTICATION_REQUIRED: 403,
  CANCELED: 409,
  COMPENSATION_FAILED: 500,
  CONTENT_TYPE_NOT_SUPPORTED: 415,
  DATABASE_LOCKED: 503,
  DEADLINE_EXCEEDED: 504,
  DEVICE_LOW_BATTERY: 409,
  DEVICE_OFFLINE: 503,
  DEVICE_STUCK: 409,
  EVENT_NOT_FOUND: 404,
  FORBIDDEN: 403,
  GUARDRAIL_TRIPPED: 502,
  INSTANCE_REPLACED: 409,
  INTERNAL: 500,
  INVALID_ARGUMENT: 400,
  INVALID_OUTPUT: 502,
  MESSAGE_ID_REUSED: 422,
  METHOD_NOT_ALLOWED: 405,
  MODEL_REFUSED: 502,
  NON_DETERMINISM: 500,
  NOT_ASSIGNED: 403,
  NOT_FOUND: 404,
  ORDER_CONFLICT: 409,
  ORDER_REFUSED: 409,
  OUT_OF_STOCK: 409,
  OUTCOME_UNKNOWN: 502,
  PATH_NOT_ALLOWED: 403,
  PAYLOAD_MISSING: 500,
  PAYLOAD_TOO_LARGE: 413,
  PEER_FAILED: 502,
  PEER_NOT_FOUND: 404,
  PEER_REJECTED: 502,
  PEER_UNREACHABLE: 502,
  QUESTION_CLOSED: 409,
  QUESTION_ID_REQUIRED: 400,
  QUESTION_NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  RUN_FINISHED: 409,
  RUN_NOT_FOUND: 404,
  SKILL_NOT_FOUND: 404,
  SKILL_REQUIRED: 400,
  STORE_FAILED: 503,
  TASK_BUSY: 409,
  TASK_NOT_CANCELABLE: 409,
  TASK_NOT_FOUND: 404,
  TASK_TERMINAL: 409,
  TOOL_NOT_ALLOWED: 403,
  UNAUTHENTICATED: 401,
  UNAVAILABLE: 503,
  VERSION_NOT_SUPPORTED: 400,
  WORKFLOW_NOT_FOUND: 404,
};

/** Any thrown value as a problem. What is not a MeshError says nothing about itself: its detail belongs in the log. */
export function toProblem(thrown: unknown): Problem {
  const error = toMeshError(thrown);
  const { violations, path, ...facts } = error.code === 'INTERNAL' ? {} : (error.details ?? {});
  const errors = Violations.safeParse(
    violations ?? (path === undefined ? path : [{ path, message: error.message }]),
  ).data;
  return {
    ...facts,
    ...(errors === undefined ? {} : { errors }),
    type: `urn:daca-mesh:error:${error.code}`,
    title: sentence(error.code),
    status: problemStatus[error.code],
    code: error.code,
    detail:
      error.code === 'INTERNAL' ? 'an unexpected error; the log of the coordinator has the reason' : error.message,
    retryable: error.retryable,
  };
}

/** A thrown value as the mesh's own error; the failures of Express's body reader become the codes they stand for. */
export function toMeshError(thrown: unknown): MeshError {
  if (isMeshError(thrown)) return thrown;
  if (thrown instanceof URIError) return new MeshError('INVALID_ARGUMENT', 'the path is not valid percent-encoding');
  const type = thrown instanceof Error && 'type' in thrown ? thrown.type : undefined;
  switch (type) {
    case 'entity.parse.failed':
      return new MeshError('INVALID_ARGUMENT', 'the body is not valid JSON', {
        details: { violations: [{ path: 'body', message: 'is not valid JSON' }] },
      });
    case 'entity.too.large':
      return new MeshError('PAYLOAD_TOO_LARGE', 'the body is larger than this server accepts');
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new MeshError('CONTENT_TYPE_NOT_SUPPORTED', 'the body must be JSON in UTF-8');
    case 'request.aborted':
    case 'request.size.invalid':
      return new MeshError('INVALID_ARGUMENT', 'the body did not arrive as announced');
    default:
      return new MeshError('INTERNAL', 'unexpected error', { cause: thrown });
  }
}

const Violations = z.array(z.object({ path: z.string(), message: z.string() }));

const sentence = (code: string): string => {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};
