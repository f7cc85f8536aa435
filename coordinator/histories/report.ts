import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';

const source = {
  uri: 'table:orders',
  kind: 'table',
  mediaType: 'application/json',
  rows: [{ region: 'south', amount: 91 }],
  truncated: false,
};
const findings = [{ statement: 'The south leads.', evidence: [source.uri], figures: [{ label: 'sum', value: 91 }] }];

const aboutOrders = ({ agents, ...script }: Script = {}): Case => ({
  input: { topic: 'Orders by region', format: 'html' },
  script: {
    ...script,
    agents: {
      'collect-data': () => completed({ sources: [source], problems: [] }),
      'analyze-data': () => ({
        later: completed({ title: 'Orders', summary: 'As ever.', findings, model: 'offline' }),
      }),
      format: () => completed({ content: '<h1>Orders</h1>', mediaType: 'text/html' }),
      ...agents,
    },
  },
});

/** The ways a report can go. */
export const reportCases: Readonly<Record<string, Case>> = {
  completed: aboutOrders(),
  'nothing-found': aboutOrders({ agents: { 'collect-data': () => completed({ sources: [], problems: [] }) } }),
  'not-analyzed': aboutOrders({
    agents: { 'analyze-data': () => failed('no model', false) },
    onAsk: () => answered({ action: 'answer', value: { choice: 'skip' } }),
  }),
  'too-late': {
    ...aboutOrders({ agents: { 'analyze-data': () => 'open' } }),
    steer: (activities) =>
      activities.sent.length >= 2 && activities.receive('mesh:time-limit', { status: 'timed-out' }),
  },
  canceled: {
    ...aboutOrders({ agents: { 'analyze-data': () => 'open' } }),
    steer: (activities, runId) => {
      if (activities.sent.length < 2) return false;
      activities.raise(runId, 'cancel', { reason: 'not needed any more' });
      return true;
    },
  },
};
