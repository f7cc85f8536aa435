import { describe, expect, it } from 'vitest';
import type { Mesh } from '../src/workflow-kit/mesh.ts';
import type { Step } from '../src/workflow-kit/orchestration.ts';
import { type RecordedRun, replayRecorded } from '../src/workflow-kit/testing/index.ts';
import { registeredName, type WorkflowDefinition } from '../src/workflow-kit/workflow.ts';
import { contentModeration } from '../src/workflows/content-moderation.ts';
import { contentPipeline } from '../src/workflows/content-pipeline.ts';
import { workflows } from '../src/workflows/index.ts';
import { cases } from './cases.ts';
import { isRecorded, recordedRuns } from './files.ts';

const histories = recordedRuns();

/** The definition a run was started with. */
function definitionOf({ workflow }: RecordedRun): WorkflowDefinition {
  const definition = workflows.find((each) => registeredName(each) === workflow);
  if (definition) return definition;
  throw new Error(
    `${workflow} is not registered any more: its runs would stall. If none is left, delete its histories`,
  );
}

describe('the workflows that ship', () => {
  it.each(workflows.map(registeredName))('%s has a recorded history of each of its cases', (name) => {
    const names = Object.keys(cases[name] ?? {});
    expect(names.length).toBeGreaterThan(0);
    expect(
      names.filter((each) => !isRecorded(name, each)),
      'record them: npx pnpm --filter @daca-mesh/coordinator generate:histories',
    ).toEqual([]);
  });

  it.each(histories)('replay $file as it was', async ({ recorded }) => {
    await expect(replayRecorded(definitionOf(recorded), recorded)).resolves.toBeUndefined();
  });
});

/** A workflow with its steps changed, under the same version. */
const changed = (definition: WorkflowDefinition, change: (mesh: Mesh) => Partial<Mesh>): WorkflowDefinition => ({
  ...definition,
  run: (mesh, input) => definition.run({ ...mesh, ...change(mesh) }, input),
});

function recordedCase(file: string): RecordedRun {
  const found = histories.find((each) => each.file === file);
  if (!found) throw new Error(`there is no history ${file}`);
  return found.recorded;
}

/** Changes the one call of a skill. */
const atCall = (skill: string, replace: (mesh: Mesh, call: () => Step<never>) => Step<unknown>) =>
  changed(contentPipeline, (mesh) => ({
    // The types of a call follow from its arguments.
    call: ((target: { skill: string }, ...rest: [never]) => {
      const call = (): Step<never> => mesh.call(target, ...rest) as Step<never>;
      return target.skill === skill ? replace(mesh, call) : call();
    }) as Mesh['call'],
  }));

describe('changed code under the same version', () => {
  it.each([
    [
      'a step is put before another',
      atCall('write', async function* (mesh, call) {
        yield* mesh.progress('writing');
        return yield* call();
      }),
      'step 1 was call write, the code now makes progress "writing"',
    ],
    [
      'a step is removed',
      atCall('extract-keywords', (mesh) => mesh.all([])),
      'step 0 was call extract-keywords, the code now makes',
    ],
    [
      'a step gets another input',
      changed(contentPipeline, (mesh) => ({
        // The types of a call follow from its arguments.
        call: ((target: { skill: string }, _: unknown, options: object) =>
          mesh.call(target, { other: 1 }, options)) as Mesh['call'],
      })),
      'step 0 was call extract-keywords, the code now gives it another input',
    ],
    [
      'a step is added at the end',
      atCall('format', async function* (mesh, call) {
        const formatted = yield* call();
        yield* mesh.call({ skill: 'publish' }, {});
        return formatted;
      }),
      'step finish was the end of the run (completed), the code now makes step 3, call publish',
    ],
  ])('is found: %s', async (_what, definition, message) => {
    const replaying = replayRecorded(definition, recordedCase('content-pipeline@1/completed.json'));
    await expect(replaying).rejects.toThrow(message);
    await expect(replaying).rejects.toThrow('give the changed code version 2, and keep content-pipeline@1 as it was');
  });

  it('is found: branches are reordered', async () => {
    const reordered = changed(contentModeration, (mesh) => ({
      // The types of its results follow from the branches.
      all: ((steps: Step<unknown>[], options: object) => mesh.all(steps.toReversed(), options)) as Mesh['all'],
    }));
    await expect(
      replayRecorded(reordered, recordedCase('content-moderation@1/approved-by-policy.json')),
    ).rejects.toThrow('step 1/0/0 was call score-toxicity, the code now makes call score-violence');
  });

  it('is told from code that is another at each replay', async () => {
    let replays = 0;
    const drifting = changed(contentPipeline, (mesh) => ({
      // The types of a call follow from its arguments.
      call: ((target: { skill: string }, input: object, options: object) =>
        mesh.call(target, replays++ === 0 ? input : { other: 1 }, options)) as Mesh['call'],
    }));
    await expect(replayRecorded(drifting, recordedCase('content-pipeline@1/completed.json'))).rejects.toThrow(
      'step 0 was call extract-keywords, the code now gives it another input (the workflow',
    );
  });
});
