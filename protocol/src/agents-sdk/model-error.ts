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
  const status = fieldOf(error, 'status');
  if (typeof status === 'number') return statusError(status, error);
  switch (error instanceof Error ? error.constructor.name : '') {
    case 'APIConnectionTimeoutError':
    case 'ModelTimeoutError':
      return new MeshError('DEADLINE_EXCEEDED', 'the model did not answer in time', { retryable: true, cause: error });
    case 'APIConnectionError':
      return new MeshError('UNAVAILABLE', 'the model endpoint cannot be reached', { retryable: true, cause: error });
    // The runtime's own errors come from reading the stream: what tools and guardrails throw arrives wrapped.
    case 'APIError':
    case 'OpenAIError':
    case 'SyntaxError':
    case 'TypeError':
      return new MeshError('UNAVAILABLE', 'the model endpoint broke off its answer', { retryable: true, cause: error });
    case 'ModelBehaviorError':
    // What the SDK read from the stream is not what it expects.
    case 'ZodError':
      return new MeshError('INVALID_OUTPUT', 'the model did not answer in the required form', {
        retryable: true,
        cause: error,
      });
    case 'ModelRefusalError':
      return new MeshError('MODEL_REFUSED', 'the model refused the request', { cause: error });
    case 'InputGuardrailTripwireTriggered':
    case 'OutputGuardrailTripwireTriggered':
    case 'ToolInputGuardrailTripwireTriggered':
    case 'ToolOutputGuardrailTripwireTriggered':
      return guardrailError(error);
    case 'GuardrailExecutionError':
    case 'ToolCallError':
      return wrappedError(error, signal);
    case 'MaxTurnsExceededError':
      return new MeshError('RESOURCE_EXHAUSTED', 'the model needed more turns than allowed', { cause: error });
    default:
      return new MeshError('INTERNAL', 'the agent failed', { cause: error });
  }
}

/** What a tool or a guardrail threw; anything but a MeshError is a mistake in its code. */
function wrappedError(error: unknown, signal: AbortSignal | undefined): MeshError {
  const inner = fieldOf(error, 'error');
  if (isMeshError(inner) || String(fieldOf(inner, 'name')).includes('Tripwire')) return toModelError(inner, signal);
  return new MeshError('INTERNAL', 'the agent failed', { cause: inner });
}

/** Names the guardrail; what it found may hold the very words it is there to stop. */
function guardrailError(cause: unknown): MeshError {
  const guardrail = fieldOf(fieldOf(fieldOf(cause, 'result'), 'guardrail'), 'name');
  const name = typeof guardrail === 'string' ? guardrail : 'a guardrail';
  return new MeshError('GUARDRAIL_TRIPPED', `${name} stopped the run`, { cause, details: { guardrail: name } });
}

const fieldOf = (value: unknown, name: string): unknown =>
  // An object that is not null may have a property of any name.
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

function statusError(status: number, cause: unknown): MeshError {
  const message = `the model endpoint answered with status ${status}`;
  if (status === 429) return new MeshError('RESOURCE_EXHAUSTED', message, { retryable: true, cause });
  if (status === 408 || status >= 500) return new MeshError('UNAVAILABLE', message, { retryable: true, cause });
  // A wrong key or model name: nothing the caller could change.
  return new MeshError('PEER_FAILED', message, { cause });
}
