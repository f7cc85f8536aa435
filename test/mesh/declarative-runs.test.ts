import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, post, startRun, timeline } from './api.ts';
import { composedEnvironment, composedPeers, describeDeclarativeRuns } from './describe-declarative-runs.ts';
import { Mesh } from './mesh.ts';

let mesh: Mesh;
const base = () => mesh.coordinator;
beforeAll(async () => {
  mesh = await Mesh.start({ peers: composedPeers, env: { all: composedEnvironment(400) } });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

describeDeclarativeRuns(() => mesh);

describe('a chain', () => {
  it.each([
    [
      'nobody has',
      [
        { skill: 'fly', input: {} },
        { agent: 'pilot', input: {} },
      ],
      ['steps.step-1: no agent that is known has the skill "fly"', 'steps.step-2: no agent named "pilot"'],
    ],
    ['of an agent that has not', [{ agent: 'formatter', skill: 'fly', input: {} }], ['steps.step-1']],
    ['its agent would refuse', [{ skill: 'format', input: { text: '', colour: 1 } }], ['steps.step-1.input', 'colour']],
    [
      'that no skill of its agent takes',
      [{ agent: 'device-light', input: { colour: 1 } }],
      ['steps.step-1.input: no skill of device-light takes it'],
    ],
    [
      'that undoes by nobody',
      [{ skill: 'format', input: { text: 'x' }, undo: { skill: 'unformat', input: 1 } }],
      ['undo'],
    ],
    ['in a network of its own', [{ agent: 'http://169.254.169.254/', input: {} }], ['MESH_ALLOW_AGENTS']],
    ['by a way that is none', [{ agent: 'file:///etc/passwd', input: {} }], ['an http or https URL']],
  ])('with a step %s sends nothing at all', { timeout: 60_000 }, async (_what, bad, words) => {
    const steps = [...bad, { id: 'fine', skill: 'extract-keywords', input: { text: 'fine' } }];
    const { runId } = await startRun(base, 'chain', { steps }, randomUUID());
    const run = await ended(base, runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'INVALID_ARGUMENT' } });
    for (const word of words) expect(run.error?.message).toContain(word);
    expect((await timeline(base, runId)).filter(({ type }) => type.startsWith('call'))).toEqual([]);
  });

  it('that cannot be right is refused before there is a run', async () => {
    const later = [
      { skill: 'format', input: { $from: 'b' } },
      { id: 'b', skill: 'format', input: { text: 'x' } },
    ];
    const refused = await post<{ code: string; errors: { path: string; message: string }[] }>(
      `${base()}/workflows/chain`,
      { steps: later },
    );
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } });
    expect(refused.body.errors).toMatchObject([{ path: 'steps[0].input', message: 'input: step "b" comes later' }]);
  });
});
