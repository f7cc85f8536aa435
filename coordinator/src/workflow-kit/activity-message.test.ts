import { MeshError } from '@daca-mesh/protocol';
import { expect, it } from 'vitest';
import { answerActivity } from './activity-message.ts';
import { Payloads } from './payloads.ts';
import { ScriptedActivities } from './testing/scripted-activities.ts';

const scope = { runId: 'run', generation: 0, seen: { below: 1, above: [] } };
const input = { entry: { type: 'resumed', data: {} } };

/** The answer to an activity that fails so, if there is one. */
async function answerTo(error: unknown) {
  const activities = new ScriptedActivities({}, () => undefined);
  activities.note = () => Promise.reject(error);
  const told: unknown[] = [];
  const message = { key: '0', what: 'a note', scope, input };
  const options = { payloads: new Payloads(), onError: (each: unknown) => void told.push(each) };
  const answer = answerActivity(activities, 'note', message, options);
  const unanswered = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 50));
  return { answer: await Promise.race([answer, unanswered]), told };
}

it('an activity that fails is answered by its failure', async () => {
  const busy = new MeshError('UNAVAILABLE', 'busy', { retryable: true });
  expect((await answerTo(busy)).answer).toMatchObject({ error: { code: 'UNAVAILABLE', retryable: true } });
  expect((await answerTo(new Error('?'))).answer).toMatchObject({ error: { code: 'INTERNAL', retryable: true } });
});

it('an activity whose store failed is not answered, so that it is executed again', async () => {
  const failed = new MeshError('STORE_FAILED', 'a commit failed');
  expect(await answerTo(failed)).toEqual({ answer: undefined, told: [failed] });
});
