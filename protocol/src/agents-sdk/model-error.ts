import { isMeshError, MeshError } from '../mesh-error.ts';

/**
 * What a failed run means to the caller of the agent: which failures may pass (`retryable`) and which will not. The
 * SDK's and the endpoint's errors are told apart by name and status, since class identity does not survive a second
 * install.
 */
export function toModelError(error: unknown, signal: AbortSignal | undefined): MeshError {
  if (isMeshError(error)) return error;
  // A task that ran out of time says so in the reason of its signal.
  if (signal?.aborted && isMeshError(signal.reason)) return signal.reason;
  if (signal?.aborted) return new MeshError('CANCELED', 'the run was canceled', { cause: error });
  const status = statusOf(error);
  if (status !== undefined) return statusError(status, error);
  switch (error instanceof Error ? error.constructor.name : '') {
    case 'APIConnectionTimeoutError':
    case 'ModelTimeoutError':
      return new MeshError('DEADLINE_EXCEEDED', 'the model did not answer in time', { retryable: true, cause: error });
    case 'APIConnectionError':
      return new MeshError('UNAVAILABLE', 'the model endpoint cannot be reached', { retryable: true, cause: error });
    case 'ModelBehaviorError':
      return new MeshError('INVALID_OUTPUT', 'the model did not answer in the required form', {
        retryable: true,
        cause: error,
      });
    case 'ModelRefusalError':
      return new MeshError('INVALID_OUTPUT', 'the model refused the request', { cause: error });
    case 'MaxTurnsExceededError':
      return new MeshError('RESOURCE_EXHAUSTED', 'the model needed more turns than allowed', { cause: error });
    default:
      return new MeshError('INTERNAL', 'the agent failed', { cause: error });
  }
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  return typeof error.status === 'number' ? error.status : undefined;
}

function statusError(status: number, cause: unknown): MeshError {
  const message = `the model endpoint answered with status ${status}`;
  if (status === 429) return new MeshError('RESOURCE_EXHAUSTED', message, { retryable: true, cause });
  if (status === 408 || status >= 500) return new MeshError('UNAVAILABLE', message, { retryable: true, cause });
  // A wrong key or model name: nothing the caller could change.
  return new MeshError('PEER_FAILED', message, { cause });
}
