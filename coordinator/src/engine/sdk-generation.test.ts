import { afterEach, describe, expect, it, vi } from 'vitest';
import { WorkflowRuntime } from './sdk.ts';
import { assertKnownSdk } from './sdk-generation.ts';
import { TestEngine } from './testing/test-engine.ts';

/** The private fields of the worker in @dapr/dapr 3.18.0. */
const worker = {
  _isRunning: false,
  _stopWorker: false,
  _responseStream: null,
  _stub: null,
  _activeWorkItems: 0,
  _workItemQueue: [],
  _maxConcurrentWorkItems: 10,
  _maxQueueSize: 100,
  internalRunWorker: () => undefined,
  _executeOrchestrator: () => undefined,
  _executeActivity: () => undefined,
};
const context = { _pendingEvents: {}, _receivedEvents: {}, getActions: () => [] };
const client = { _stub: {} };

const without = (object: object, ...fields: string[]): object =>
  Object.fromEntries(Object.entries(object).filter(([field]) => !fields.includes(field)));

const refusal = (parts: { worker?: object; context?: object; client?: object }, version = '1.19.0'): string => {
  try {
    assertKnownSdk({ worker, context, client, ...parts }, version);
  } catch (error) {
    expect(error).toMatchObject({ code: 'VERSION_NOT_SUPPORTED', retryable: false });
    return String(error);
  }
  return 'accepted';
};

afterEach(() => vi.restoreAllMocks());

describe('the workflow SDK', () => {
  it('is looked at before anything is done with it', () => {
    const engineOf119 = without(worker, '_maxQueueSize');
    // Private in its types.
    const prototype: object = WorkflowRuntime.prototype;
    const makesWorkers = prototype as { buildInnerWorker(): object };
    vi.spyOn(makesWorkers, 'buildInnerWorker').mockReturnValue(engineOf119);
    expect(() => new TestEngine({ address: '127.0.0.1:1' })).toThrow(
      'found @dapr/dapr 3.18.0 with the engine of Dapr 1.19',
    );
  });

  it('that is installed is the one the guards are for', () => {
    expect(() => assertKnownSdk()).not.toThrow();
    expect(refusal({}, '3.18.0')).toBe('accepted');
  });

  it('of Dapr 1.19 is refused by name, with what was expected', () => {
    const message = refusal({ worker: without(worker, '_maxQueueSize', '_executeOrchestrator') });
    expect(message).toContain('@dapr/dapr 3.18.0 is expected');
    expect(message).toContain('found @dapr/dapr 1.19.0 with the engine of Dapr 1.19');
    expect(message).toContain('worker._maxQueueSize');
  });

  it('that takes its limits as options is refused by name', () => {
    const later = { _maxConcurrentWorkflowWorkItems: 10, _maxConcurrentActivityWorkItems: 10 };
    expect(refusal({ worker: later }, '1.20.0')).toContain('found @dapr/dapr 1.20.0 with a later engine');
  });

  it('that nobody knows is refused, also where only its context or client changed', () => {
    expect(refusal({ worker: {} })).toContain('an unknown engine');
    expect(refusal({ context: without(context, '_receivedEvents') }, '3.18.1')).toContain('context._receivedEvents');
    expect(refusal({ client: {} }, '3.18.1')).toContain('a changed engine of 3.18');
  });
});
