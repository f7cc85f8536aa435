import { MeshError } from '@daca-mesh/protocol';

/** gRPC status codes we act upon. */
export const grpcCodes = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The status code of a gRPC error; -1 for anything else. */
export function grpcCodeOf(error: unknown): number {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : -1;
}

/** daprd reports most of what happens behind its API as UNKNOWN: then only the text tells. */
const texts: readonly (readonly [RegExp, number])[] = [
  [/no such instance exists/i, grpcCodes.notFound],
  [/already exists/i, grpcCodes.alreadyExists],
  [
    /did not find address for actor|actor type .*not registered|actor runtime is closed|remote actor moved/i,
    grpcCodes.unavailable,
  ],
  [/shutting down|context canceled/i, grpcCodes.unavailable],
];

/** What an error of the engine means, as a gRPC status code. */
export function meaningOf(error: unknown): number {
  const code = grpcCodeOf(error);
  if (code !== grpcCodes.unknown || !(error instanceof Error)) return code;
  return texts.find(([text]) => text.test(error.message))?.[1] ?? code;
}

/** What says that the engine, or the way to it, is away: nothing else will succeed either. */
const away = new Set<number>([
  grpcCodes.cancelled,
  grpcCodes.deadlineExceeded,
  // Also of an instance whose worker is not known to daprd, after 5 s of looking for it.
  grpcCodes.failedPrecondition,
  grpcCodes.unavailable,
  grpcCodes.permissionDenied,
  grpcCodes.unauthenticated,
]);

/**
 * An error of the engine as callers get it: `UNAVAILABLE` where the engine is away, `PAYLOAD_TOO_LARGE`, or `INTERNAL`
 * where it answers but does not do it (a stalled instance, a busy database): that may change, and concerns nobody else.
 */
export function toEngineError(error: unknown, request: string): MeshError {
  const code = meaningOf(error);
  const message = `the workflow engine could not ${request}`;
  if (code === grpcCodes.resourceExhausted) return new MeshError('PAYLOAD_TOO_LARGE', message, { cause: error });
  return new MeshError(away.has(code) ? 'UNAVAILABLE' : 'INTERNAL', message, { retryable: true, cause: error });
}
