import { describe, expect, it } from 'vitest';
import { httpFailure } from './http-failure.ts';
import { toPeerError } from './peer-error.ts';

const info = (reason: string, metadata?: Record<string, string>) => [{ '@type': 'x', reason, metadata }];

describe('the error of a refusal', () => {
  it.each([
    ['the reason of ErrorInfo', { rpcCode: -32602, info: info('SKILL_REQUIRED') }, 'SKILL_REQUIRED', false],
    ['the code alone', { rpcCode: -32001 }, 'TASK_NOT_FOUND', false],
    [
      'the finer code of our servers',
      { info: info('UNSUPPORTED_OPERATION', { code: 'QUESTION_CLOSED' }) },
      'QUESTION_CLOSED',
      false,
    ],
    ['an unknown reason', { status: 429, info: info('SLOW_DOWN') }, 'RESOURCE_EXHAUSTED', true],
    ['a code no list knows', { info: info('UNSUPPORTED_OPERATION', { code: 'rm -rf' }) }, 'INVALID_ARGUMENT', false],
    ['an internal error', { rpcCode: -32603 }, 'PEER_FAILED', true],
    ['an invalid response', { rpcCode: -32006 }, 'PEER_FAILED', false],
    ['a status', { status: 503 }, 'UNAVAILABLE', true],
    ['nothing at all', { status: 418 }, 'PEER_FAILED', true],
    ['details of another shape', { status: 404, info: [null, 7, 'x', { reason: 1 }] }, 'NOT_FOUND', false],
  ])('goes by %s', (_name, failure, code, retryable) => {
    expect(toPeerError({ message: 'no', status: 200, ...failure })).toMatchObject({ code, retryable, message: 'no' });
  });

  it('keeps how long to wait', () => {
    const error = httpFailure({ status: 429, headers: { 'retry-after': '3' }, body: '<html>' });
    expect(error.details).toMatchObject({ retryAfterMs: 3_000, status: 429 });
  });

  it('calls a success that is no A2A what it is', () => {
    expect(httpFailure({ status: 200, headers: {}, body: 'hello' })).toMatchObject({
      code: 'PEER_FAILED',
      details: { reason: 'INVALID_AGENT_RESPONSE' },
    });
  });
});
