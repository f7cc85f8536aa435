import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';

const steps = [
  { id: 'keywords', skill: 'extract-keywords', input: { text: 'About a mesh.' } },
  {
    id: 'draft',
    agent: 'http://127.0.0.1:9001',
    input: { about: { $from: 'keywords', pointer: '/keywords/0' } },
    retry: { attempts: 2 },
    timeout: '2m',
    undo: { skill: 'forget', input: { draft: { $from: 'draft' } } },
  },
  { id: 'last', agent: 'formatter', skill: 'publish', input: { $from: 'draft' }, onQuestion: 'fail', repeatable: true },
];

const agents: NonNullable<Script['agents']> = {
  'extract-keywords': () => completed({ keywords: [{ term: 'mesh', score: 1 }], language: 'en' }),
  publish: () => ({ later: completed({ url: 'https://example.org' }) }),
};
const run = (input: object, script: Script = {}): Case => ({
  input,
  script: { local: () => ({}), ...script, agents: { ...agents, ...script.agents } },
});
const broken = () => failed('no', false);

export const chainCases: Readonly<Record<string, Case>> = {
  completed: run({ steps }),
  'stopped-and-undone': run({ steps }, { agents: { publish: broken } }),
  'left-out': run({ steps, onFailure: 'skip' }, { agents: { 'extract-keywords': broken } }),
  'skipped-by-a-person': run(
    { steps: [{ skill: 'busy', input: {}, onExhausted: 'ask-human' }] },
    { agents: { busy: broken }, onAsk: () => answered({ action: 'answer', value: { choice: 'skip' } }) },
  ),
  canceled: {
    ...run({ steps }, { agents: { publish: () => 'open' } }),
    steer: (activities, runId) => {
      if (activities.sent.length < 3) return false;
      activities.raise(runId, 'cancel', {});
      return true;
    },
  },
};

export const fanOutCases: Readonly<Record<string, Case>> = {
  completed: run({ steps, limit: 2 }),
  'left-out': run({ steps, onFailure: 'skip' }, { agents: { 'extract-keywords': broken } }),
  stopped: run({ steps: [...steps, { skill: 'broken', input: {} }] }, { agents: { broken } }),
};
