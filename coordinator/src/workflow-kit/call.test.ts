import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runId, startRun } from './testing/start-run.ts';
import { completed, failed } from './testing/scripted-activities.ts';
import type { CallOptions } from './call-options.ts';
import { defineWorkflow } from './workflow.ts';

const Any = z.unknown();

const calling = (options: CallOptions<unknown>) =>
  defineWorkflow({
    name: 'calling',
    version: 1,
    description: 'one call',
    input: Any,
    output: Any,
    async *run(mesh) {
      return { got: yield* mesh.call({ skill: 'work' }, { n: 0 }, options) };
    },
  });

const delays = async (): Promise<number[]> => {
  const sentAt: number[] = [];
  const { engine, activities } = startRun(
    calling({}),
    {},
    {
      agents: {
        work: () => {
          sentAt.push(engine.now);
          return sentAt.length < 5 ? failed('busy') : completed({});
        },
      },
    },
  );
  await engine.settle();
  expect(activities.end?.status).toBe('completed');
  return sentAt.slice(1).map((at, index) => at - (sentAt[index] ?? 0));
};

const failing = (): never => {
  throw new Error('no idea');
};

describe('call', () => {
  it('claims first, gives the result of the call and finishes last', async () => {
    const { engine, activities } = startRun(calling({}), {}, { agents: { work: () => completed({ done: true }) } });
    await engine.settle();
    expect(activities.log).toEqual(['claim 0', 'send 0#1', 'finish completed']);
    expect(engine.status).toBe('completed');
    expect(engine.output).toEqual({ got: { done: true } });
  });

  it('waits for the event of a call that was not settled within the linger', async () => {
    const { engine, activities } = startRun(
      calling({}),
      {},
      { agents: { work: () => ({ later: completed({ n: 1 }) }) } },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: { n: 1 } } });
  });

  it.each([0, false, '', null])('keeps the result %j', async (output) => {
    const { engine, activities } = startRun(
      calling({}),
      {},
      { agents: { work: () => ({ later: completed(output) }) } },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: output } });
  });

  it('retries what is retryable with doubling delays, the same in every run of the same id', async () => {
    const first = await delays();
    expect(first).toHaveLength(4);
    for (const [index, delay] of first.entries()) {
      expect(delay).toBeGreaterThanOrEqual(1000 * 2 ** index * 0.8);
      expect(delay).toBeLessThanOrEqual(1000 * 2 ** index * 1.2);
    }
    expect(first.some((delay, index) => delay !== 1000 * 2 ** index)).toBe(true);
    expect(await delays()).toEqual(first);
  });

  it('gives every attempt its own messageId and all the same callId and effect key', async () => {
    const { engine, activities } = startRun(
      calling({ retry: { attempts: 3 } }),
      {},
      { agents: { work: () => failed('no') } },
    );
    await engine.settle();
    const { sent } = activities;
    expect(sent.map((call) => call.attempt)).toEqual([1, 2, 3]);
    expect(new Set(sent.map((call) => call.messageId)).size).toBe(3);
    expect(new Set(sent.map((call) => call.callId))).toEqual(
      new Set([expect.stringMatching(`^${runId}-c[0-9a-f]{12}$`)]),
    );
    expect(new Set(sent.map((call) => call.effectKey)).size).toBe(1);
  });

  it('does not retry what is not retryable, rejected, or timed out without being repeatable', async () => {
    const failure = { code: 'X', message: 'x', retryable: true };
    for (const outcome of [
      failed('no', false),
      { status: 'rejected' as const, failure },
      { status: 'timed-out' as const, failure: { ...failure, retryable: false } },
    ]) {
      const { engine, activities } = startRun(calling({}), {}, { agents: { work: () => outcome } });
      await engine.settle();
      expect(activities.sent).toHaveLength(1);
      expect(activities.end?.status).toBe('failed');
    }
  });

  it('repeats a repeatable call that timed out', async () => {
    let attempts = 0;
    const failure = { code: 'DEADLINE_EXCEEDED', message: 'slow', retryable: false };
    const { engine, activities } = startRun(
      calling({ repeatable: true }),
      {},
      {
        agents: { work: () => (++attempts === 1 ? { status: 'timed-out', failure } : completed({ attempts })) },
      },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: { attempts: 2 } } });
  });

  it('tells what the agent said when it fails for good, and fails the instance', async () => {
    const { engine, activities } = startRun(calling({}), {}, { agents: { work: () => failed('broken', false) } });
    await engine.settle();
    expect(activities.end).toMatchObject({
      status: 'failed',
      failure: {
        code: 'PEER_FAILED',
        message: 'work: broken',
        details: { failure: { code: 'INTERNAL' }, agent: 'agent', attempts: 1 },
      },
    });
    expect(engine.status).toBe('failed');
  });

  it('passes its limits on, in milliseconds', async () => {
    const { engine, activities } = startRun(calling({ timeout: '2m', noProgress: 1500 }), {});
    await engine.settle();
    expect(activities.sent[0]).toMatchObject({
      timeoutMs: 120_000,
      noProgressMs: 1500,
      questionPolicy: 'ask-human',
      repeatable: false,
      onUnknown: 'ask-human',
    });
  });

  it('fails a known skill whose result does not fit its schema', async () => {
    const formatting = defineWorkflow({
      name: 'formatting',
      version: 1,
      description: 'one typed call',
      input: Any,
      output: Any,
      async *run(mesh) {
        const { content } = yield* mesh.call({ skill: 'format' }, { text: 'x' });
        return { content };
      },
    });
    const { engine, activities } = startRun(formatting, {}, { agents: { format: () => completed({ content: 3 }) } });
    await engine.settle();
    expect(activities.sent).toHaveLength(1);
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INVALID_OUTPUT' } });
  });
});

describe('questions of an agent', () => {
  const question = { id: 'q', prompt: 'sure?', actions: ['approve' as const, 'reject' as const] };
  const asks = { status: 'question' as const, question, agent: 'agent', taskId: 'task' };

  it('are answered by the workflow where it says how', async () => {
    const { engine, activities } = startRun(
      calling({ onQuestion: () => ({ action: 'approve' }) }),
      {},
      { agents: { work: () => asks } },
    );
    await engine.settle();
    expect(activities.sent[0]?.questionPolicy).toBe('workflow');
    expect(activities.log.at(-1)).toMatch(/^answerCall .* approve$/);
    activities.settle(activities.sent[0]?.callId ?? '', 1, asks);
    await engine.settle();
    activities.settle(activities.sent[0]?.callId ?? '', 1, completed({ n: 2 }));
    await engine.settle();
    expect(activities.log.filter((line) => line.startsWith('answerCall'))).toHaveLength(2);
    expect(activities.end).toEqual({ status: 'completed', output: { got: { n: 2 } } });
  });

  it('go to a person where the workflow hands them on', async () => {
    const { engine, activities } = startRun(
      calling({ onQuestion: () => undefined }),
      {},
      { agents: { work: () => asks } },
    );
    await engine.settle();
    const [open] = activities.openQuestions;
    expect(open).toMatchObject({ prompt: 'sure?', actions: ['approve', 'reject'] });
    activities.decide(open?.questionId ?? '', {
      status: 'answered',
      answer: { action: 'reject', reason: 'no' },
      by: 'me',
    });
    await engine.settle();
    expect(activities.log.at(-1)).toMatch(/^answerCall .* reject$/);
  });

  it('abandon the call when the handler fails', async () => {
    const { engine, activities } = startRun(
      calling({ onQuestion: failing }),
      {},
      { agents: { work: () => asks }, onAbandon: () => 'never' },
    );
    await engine.settle();
    expect(activities.log).toContain('abandon 1');
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INTERNAL' } });
  });
});

const exhausted = (value: unknown) => {
  let attempts = 0;
  return startRun(
    calling({ retry: { attempts: 2 }, onExhausted: 'ask-human' }),
    {},
    {
      agents: { work: () => (++attempts <= 2 ? failed('down') : completed({ attempts })) },
      onAsk: () => ({ status: 'answered', answer: { action: 'answer', value }, by: 'me' }),
    },
  );
};

describe('a call that failed for good, with a person to decide', () => {
  it('is tried again on retry', async () => {
    const { engine, activities } = exhausted({ choice: 'retry' });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: { attempts: 3 } } });
  });

  it('is tried again with a fresh series of delays', async () => {
    const sentAt: number[] = [];
    const agents = {
      work: () => (sentAt.push(engine.now) < 6 ? failed('down') : completed({})),
    };
    const onAsk = () => ({ status: 'answered' as const, answer: { action: 'answer' as const, value }, by: 'me' });
    const value = { choice: 'retry' };
    const policy: CallOptions<unknown> = { retry: { attempts: 3 }, onExhausted: 'ask-human' };
    const { engine, activities } = startRun(calling(policy), {}, { agents, onAsk });
    await engine.settle();
    expect(activities.end?.status).toBe('completed');
    const [first, second, atOnce, ...again] = sentAt.slice(1).map((at, index) => at - (sentAt[index] ?? 0));
    expect(atOnce).toBe(0);
    expect(again).toEqual([first, second]);
  });

  it('takes the value that was given', async () => {
    const { engine, activities } = exhausted({ choice: 'value', value: { by: 'hand' } });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: { by: 'hand' } } });
  });

  it('is skipped', async () => {
    const { engine, activities } = exhausted({ choice: 'skip' });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: {} });
  });

  it('fails the run on abort', async () => {
    const { engine, activities } = exhausted({ choice: 'abort' });
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'PEER_FAILED' } });
  });

  it('asks with the four choices, and again when the value does not fit', async () => {
    const formatting = defineWorkflow({
      name: 'formatting',
      version: 1,
      description: 'one typed call',
      input: Any,
      output: Any,
      async *run(mesh) {
        const formatted = yield* mesh.call({ skill: 'format' }, { text: 'x' }, { onExhausted: 'ask-human' });
        return { content: formatted?.content };
      },
    });
    const { engine, activities } = startRun(formatting, {}, { agents: { format: () => failed('no', false) } });
    await engine.settle();
    const [first] = activities.openQuestions;
    expect(first?.actions).toEqual(['answer']);
    expect(first?.schema).toMatchObject({
      properties: { choice: { enum: ['retry', 'value', 'skip', 'abort'] }, value: { type: 'object' } },
    });
    const give = (id: string | undefined, value: unknown) =>
      activities.decide(id ?? '', {
        status: 'answered',
        answer: { action: 'answer', value: { choice: 'value', value } },
        by: 'me',
      });
    give(first?.questionId, { content: 1 });
    await engine.settle();
    const [second] = activities.openQuestions;
    expect(second?.prompt).toContain('does not fit');
    give(second?.questionId, { content: 'c', mediaType: 'text/plain' });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { content: 'c' } });
  });
});

describe('a call whose outcome nobody knows', () => {
  const unknown = {
    status: 'failed' as const,
    failure: { code: 'OUTCOME_UNKNOWN', message: 'lost', retryable: false },
  };

  it('asks a person by default', async () => {
    const { engine, activities } = startRun(calling({}), {}, { agents: { work: () => unknown } });
    await engine.settle();
    expect(activities.openQuestions[0]?.schema).toMatchObject({
      properties: { choice: { enum: ['resend', 'value', 'fail'] } },
    });
  });

  it('is sent again where that does no harm', async () => {
    let attempts = 0;
    const { engine, activities } = startRun(
      calling({ repeatable: true }),
      {},
      {
        agents: { work: () => (++attempts === 1 ? unknown : completed({ attempts })) },
      },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { got: { attempts: 2 } } });
  });

  it('is sent again only as often as any other', async () => {
    const { engine, activities } = startRun(calling({ onUnknown: 'resend' }), {}, { agents: { work: () => unknown } });
    await engine.settle();
    expect(activities.sent).toHaveLength(5);
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'OUTCOME_UNKNOWN' } });
  });

  it('fails where the author says so', async () => {
    const { engine, activities } = startRun(calling({ onUnknown: 'fail' }), {}, { agents: { work: () => unknown } });
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'OUTCOME_UNKNOWN' } });
  });
});

describe('the types of a call', () => {
  it('are those of the skill', async () => {
    const typed = defineWorkflow({
      name: 'typed',
      version: 1,
      description: 'never run',
      input: Any,
      output: z.object({ terms: z.array(z.string()) }),
      async *run(mesh) {
        // @ts-expect-error -- `text` is missing
        yield* mesh.call({ skill: 'extract-keywords' }, {});
        const draft = yield* mesh.call({ skill: 'write' }, { keywords: [] }, { onExhausted: 'ask-human' });
        // @ts-expect-error -- a draft that a person may skip can be missing
        yield* mesh.progress(draft.title);
        const { keywords } = yield* mesh.call({ skill: 'extract-keywords' }, { text: 'x' });
        return { terms: keywords.map(({ term }) => term) };
      },
    });
    expect(typed.name).toBe('typed');
  });
});
