import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { type AgentQuestion, testWorkflow, type TestWorkflowOptions } from '../workflow-kit/testing/index.ts';
import { chain } from './chain.ts';
import { fanOut } from './fan-out.ts';

const from = (step: string, pointer = '') => ({ $from: step, ...(pointer === '' ? {} : { pointer }) });
const fine = { 'check-steps': () => ({}) };

// Agents of a test are named by what the steps call, of which no types are known.
type Agents = Record<string, (input: never, call: { attempt: number }) => unknown>;
const run = (workflow: typeof chain | typeof fanOut, input: object, agents: Agents, more: object = {}) =>
  testWorkflow(workflow, { input, agents, activities: fine, ...more } as unknown as TestWorkflowOptions<never, string>);

const double = ({ n }: { n: number }) => ({ n: n * 2 });
const broken = () => {
  throw new MeshError('PEER_FAILED', 'broken');
};

const sum = ({ all }: { all: number[] }) => all.reduce((a, b) => a + b);
const busy = () => {
  throw new MeshError('UNAVAILABLE', 'busy', { retryable: true });
};
const asks = function* (): Generator<AgentQuestion, unknown, { value?: unknown }> {
  const first = yield { prompt: 'Which day?' };
  const second = yield { prompt: 'Which hour?' };
  return [first.value, second.value];
};
const asked = (onQuestion?: unknown) =>
  run(chain, { steps: [{ skill: 'asks', input: {}, ...(onQuestion ? { onQuestion } : {}) }] }, { asks });

describe('a chain', () => {
  it('hands results on, and ends with the last one', async () => {
    const steps = [
      { id: 'one', skill: 'double', input: { n: 1 } },
      { agent: 'multiplier', input: from('one') },
      {
        agent: 'http://127.0.0.1:9/card.json',
        skill: 'sum',
        input: { all: [from('one', '/n'), from('step-2', '/n')] },
      },
    ];
    const { output, calls } = await run(chain, { steps }, { double, multiplier: double, sum });
    expect(output).toEqual({
      results: [
        { id: 'one', status: 'completed', output: { n: 2 } },
        { id: 'step-2', status: 'completed', output: { n: 4 } },
        { id: 'step-3', status: 'completed', output: 6 },
      ],
      output: 6,
    });
    expect(calls.map(({ to }) => to)).toEqual(['double', 'multiplier', 'sum']);
  });

  it('runs in order also where steps need nothing of each other', async () => {
    const steps = ['b', 'a', 'c'].map((skill) => ({ skill, input: {} }));
    const { calls } = await run(chain, { steps, onFailure: 'skip' }, { a: broken, b: broken, c: broken });
    expect(calls.map(({ to }) => to)).toEqual(['b', 'a', 'c']);
  });

  it('stops at a step that fails, says which, and undoes what was done, newest first', async () => {
    const undo = { skill: 'undo', input: { was: from('first', '/n') } };
    const steps = [
      { id: 'first', skill: 'double', input: { n: 1 }, undo },
      { id: 'second', skill: 'broken', input: {}, undo: { skill: 'undo', input: 'always' } },
      { skill: 'double', input: { n: 2 } },
    ];
    const done = await run(chain, { steps }, { double, broken, undo: () => null });
    expect(done.failure).toMatchObject({ code: 'PEER_FAILED', details: { step: 'second' } });
    expect(done.calls.map(({ to, input }) => [to, input])).toEqual([
      ['double', { n: 1 }],
      ['broken', {}],
      ['undo', 'always'],
      ['undo', { was: 2 }],
    ]);
  });

  it('undoes by its result only what has one', async () => {
    const steps = [{ id: 'a', skill: 'broken', input: {}, undo: { skill: 'undo', input: from('a') } }];
    const { failure, calls } = await run(chain, { steps }, { broken, undo: () => null });
    expect([failure?.code, calls.map(({ to }) => to)]).toEqual(['PEER_FAILED', ['broken']]);
  });

  it('goes on where its failures only leave things out', async () => {
    const steps = [
      { id: 'a', skill: 'broken', input: {} },
      { id: 'b', skill: 'double', input: from('a') },
      { id: 'c', skill: 'double', input: { n: 3 } },
      { id: 'd', skill: 'double', input: from('c', '/missing') },
    ];
    const { output } = await run(chain, { steps, onFailure: 'skip' }, { double, broken });
    expect(output?.results).toMatchObject([
      { id: 'a', status: 'failed', error: { code: 'PEER_FAILED' } },
      { id: 'b', status: 'skipped', error: { message: 'step "a" has no result' } },
      { id: 'c', status: 'completed' },
      { id: 'd', status: 'failed', error: { code: 'INVALID_ARGUMENT' } },
    ]);
    expect(output).not.toHaveProperty('output');
  });

  it('tries again as often as a step says, and asks a person only where it says so', async () => {
    const step = { skill: 'busy', input: {}, retry: { attempts: 2 }, onExhausted: 'ask-human' };
    const answers = [{ action: 'answer', value: { choice: 'skip' } }];
    const { output, calls } = await run(chain, { steps: [step] }, { busy }, { answers });
    expect(calls).toHaveLength(2);
    expect(output).toEqual({ results: [{ id: 'step-1', status: 'skipped' }] });
  });

  it('is canceled where it stands', async () => {
    const steps = [
      { skill: 'double', input: { n: 1 }, onFailure: 'skip' },
      { skill: 'asks', input: {} },
    ];
    const canceled = await run(chain, { steps, onFailure: 'skip' }, { double, asks });
    await canceled.cancel('enough');
    expect(canceled.status).toBe('canceled');
  });

  it('sends nothing when the check of its steps fails', async () => {
    const activities = {
      'check-steps': () => {
        throw new MeshError('INVALID_ARGUMENT', 'nothing was sent');
      },
    };
    const { failure, calls } = await run(chain, { steps: [{ skill: 'x', input: {} }] }, {}, { activities });
    expect([failure?.code, calls]).toEqual(['INVALID_ARGUMENT', []]);
  });
});

describe('what an agent asks', () => {
  it('is a question to a person', async () => {
    expect((await asked()).openQuestions).toMatchObject([{ prompt: 'Which day?' }]);
  });

  it('is answered by the step, once; what it asks then is a question to a person', async () => {
    const waiting = await asked({ answer: { action: 'answer', value: 'friday' } });
    expect(waiting.openQuestions).toMatchObject([{ prompt: 'Which hour?' }]);
    await waiting.answer({ action: 'answer', value: 9 });
    expect(waiting.output).toMatchObject({ output: ['friday', 9] });
  });

  it('is a failure', async () => {
    expect((await asked('fail')).failure).toMatchObject({ code: 'PEER_FAILED', details: { question: 'Which day?' } });
  });
});

describe('a fan-out', () => {
  it('begins a step as soon as what it needs is there, in any order', async () => {
    const steps = [
      { id: 'sum', skill: 'sum', input: [from('a', '/n'), from('b', '/n')] },
      { id: 'a', skill: 'double', input: { n: 1 } },
      { id: 'b', skill: 'double', input: { n: 2 } },
    ];
    const { output, calls } = await run(fanOut, { steps }, { double, sum: (all: number[]) => all.length });
    expect(calls.map(({ to }) => to)).toEqual(['double', 'double', 'sum']);
    expect(output?.results.map(({ id }) => id)).toEqual(['sum', 'a', 'b']);
    expect(calls.at(-1)?.input).toEqual([2, 4]);
  });

  it('collects what became of each', async () => {
    const steps = [
      { id: 'a', skill: 'broken', input: {} },
      { id: 'b', skill: 'double', input: { n: 2 } },
    ];
    const { output } = await run(fanOut, { steps, onFailure: 'skip' }, { double, broken });
    expect(output?.results.map(({ status }) => status)).toEqual(['failed', 'completed']);
    expect((await run(fanOut, { steps }, { double, broken })).failure).toMatchObject({ details: { step: 'a' } });
  });
});

describe('steps', () => {
  const step = { skill: 'x', input: {} };
  const twice = [
    { ...step, id: 'a' },
    { ...step, id: 'a' },
  ];
  const circle = [
    { id: 'a', skill: 'x', input: from('b') },
    { id: 'b', skill: 'x', input: from('a') },
    { id: 'c', skill: 'x', input: {} },
  ];
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  it.each([
    ['a password in a URL', [{ agent: 'http://ann:secret@127.0.0.1:9', input: {} }], /user name or password/u],
    ['none', [], /./u],
    ['more than 100', Array.from({ length: 101 }, () => step), /<=100/u],
    ['no agent and no skill', [{ input: {} }], /names an agent, a skill/u],
    ['an id used twice', twice, /used twice/u],
    ['an id of other characters', [{ ...step, id: 'a/b' }], /./u],
    ['an unknown reference', [{ ...step, input: from('nobody') }], /no step \\"nobody/u],
    ['a broken reference', [{ ...step, input: { $from: 7 } }], /input: a reference is/u],
    ['a reference to itself', [{ ...step, input: from('step-1') }], /its own result/u],
    ['an unknown reference of an undo', [{ ...step, undo: { skill: 'y', input: from('z') } }], /no step \\"z/u],
    ['an undo of nobody', [{ ...step, undo: { input: 1 } }], /names an agent/u],
    ['a time limit in words', [{ ...step, timeout: 'soon' }], /milliseconds or such as/u],
    ['a time limit of a year', [{ ...step, timeout: '365d' }], /30 days/u],
    ['a field nobody knows', [{ ...step, when: 'now' }], /when/u],
    ['a policy nobody knows', [{ ...step, onQuestion: { answer: { action: 'shrug' } } }], /./u],
    ['too much', [{ ...step, input: 'x'.repeat(300_000) }], /characters/u],
    ['no input', [{ skill: 'x' }], /missing/u],
    ['an input nested too deeply', [{ ...step, input: deep(5_000) }], /64 deep/u],
  ])('are refused: %s', (_what, steps, message) => {
    for (const workflow of [chain, fanOut]) {
      const parsed = workflow.input.safeParse({ steps });
      expect(parsed.success).toBe(false);
      expect(parsed.error?.message).toMatch(message);
    }
  });

  it('are refused where they wait for each other, each by its way', () => {
    expect(chain.input.safeParse({ steps: circle }).error?.message).toMatch(/step \\"b\\" comes later/u);
    expect(fanOut.input.safeParse({ steps: circle }).error?.message).toMatch(/in a circle: a, b"/u);
  });

  it('may be deep, and refer to each other by their position', () => {
    const steps = [
      { ...step, input: deep(60) },
      { ...step, input: from('step-1') },
    ];
    expect(chain.input.safeParse({ steps }).success).toBe(true);
  });
});
