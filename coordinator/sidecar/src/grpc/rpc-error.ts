import { status } from '@grpc/grpc-js';
import { WorkflowError } from '../engine/workflow-error.ts';
import { SidecarError } from '../sidecar-error.ts';

/** An error with a gRPC status. */
export class RpcError extends Error {
  readonly code: status;

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RpcError';
    this.code = code;
  }
}

/** Codes and words are daprd's wherever daprd has such an error: programs branch on them. */
export function toRpcError(error: unknown, prefix = ''): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof SidecarError) {
    const code = error.code === 'CLOSED' ? status.UNAVAILABLE : status.INTERNAL;
    return new RpcError(code, error.message, { cause: error });
  }
  if (!(error instanceof WorkflowError)) return new RpcError(status.INTERNAL, 'internal error', { cause: error });
  const message = prefix + error.message;
  switch (error.code) {
    case 'ALREADY_EXISTS':
      return new RpcError(status.ALREADY_EXISTS, wrapped(prefix, 'AlreadyExists', error), { cause: error });
    case 'INVALID_ARGUMENT':
      return new RpcError(status.INVALID_ARGUMENT, wrapped(prefix, 'InvalidArgument', error), { cause: error });
    case 'NOT_IN_HISTORY':
      return new RpcError(status.NOT_FOUND, wrapped(prefix, 'NotFound', error), { cause: error });
    case 'INVALID_ID':
      return new RpcError(status.UNKNOWN, wrapped(prefix, 'Unknown', error), { cause: error });
    case 'NOT_FOUND':
    case 'NOT_COMPLETED':
    case 'STALLED':
      return new RpcError(status.UNKNOWN, message, { cause: error });
    case 'SHUTTING_DOWN':
      return new RpcError(status.UNAVAILABLE, error.message, { cause: error });
    default:
      error.code satisfies never;
      return new RpcError(status.INTERNAL, message, { cause: error });
  }
}

/** Where daprd puts words before an error that has a status, that status becomes part of the text. */
function wrapped(prefix: string, statusName: string, error: WorkflowError): string {
  return prefix === '' ? error.message : `${prefix}rpc error: code = ${statusName} desc = ${error.message}`;
}
