import type { Answer } from '@daca-mesh/protocol';
import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';
import { deviceRepairCases } from './device-repair.ts';
import { diagnosisReviewCases } from './diagnosis-review.ts';
import { chainCases, fanOutCases } from './declarative-runs.ts';
import { deviceSceneCases } from './device-scene.ts';
import { healthAlertCases, healthMonitorCases } from './health.ts';
import { purchaseOrderCases } from './purchase-order.ts';
import { reportCases } from './report.ts';

const pipelineAgents: NonNullable<Script['agents']> = {
  'extract-keywords': () => completed({ keywords: [{ term: 'mesh', score: 1 }], language: 'en' }),
  write: () => ({ later: completed({ title: 'Mesh', text: '# Mesh\n\nAbout a mesh.', model: 'offline' }) }),
  format: () => completed({ content: '<h1>Mesh</h1>', mediaType: 'text/html' }),
  'log-error': () => completed({ errorId: '1' }),
};
const pipeline = (script: Script = {}): Case => ({
  input: { text: 'About a mesh of agents.', format: 'html' },
  script: { ...script, agents: { ...pipelineAgents, ...script.agents } },
});
const busy = () => failed('the writer is busy');

const score = (value: number) => () =>
  completed({ score: value, reasons: [`scored ${value}`], evidence: [], model: 'offline' });
const moderationAgents = (risk: number): NonNullable<Script['agents']> => ({
  'save-post': () => completed({ postId: 'post-1', status: 'pending', created: true }),
  'score-toxicity': score(risk),
  'score-spam': () => ({ later: score(0.1)() }),
  'score-violence': score(0),
  'set-post-status': () => completed({ postId: 'post-1', status: 'approved', previous: 'pending' }),
  'append-audit': () => completed({ postId: 'post-1', seq: 1 }),
});
const moderation = (risk: number, script: Script = {}): Case => ({
  input: { text: 'You are a worthless idiot.', postId: 'post-1', author: 'mallory' },
  script: { ...script, agents: { ...moderationAgents(risk), ...script.agents } },
});
const decided = (answer: Answer): Case => moderation(0.9, { onAsk: () => answered(answer) });

/** By the registered name of the workflow. */
export const cases: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  'content-pipeline@1': {
    completed: pipeline(),
    'claimed-by-its-first-call': pipeline(),
    retried: pipeline({
      agents: {
        write: (call) => (call.attempt === 1 ? busy() : completed({ title: 'Mesh', text: '# Mesh', model: 'offline' })),
      },
    }),
    skipped: pipeline({
      agents: { write: () => failed('no model', false) },
      onAsk: () => answered({ action: 'answer', value: { choice: 'skip' } }),
    }),
    'value-given': pipeline({
      agents: { write: () => failed('no model', false) },
      onAsk: () =>
        answered({
          action: 'answer',
          value: { choice: 'value', value: { title: 'T', text: 'By hand', model: 'ann' } },
        }),
    }),
    failed: pipeline({ agents: { 'extract-keywords': () => failed('cannot read this', false) } }),
    aborted: pipeline({
      agents: { write: () => failed('no model', false) },
      onAsk: () => answered({ action: 'answer', value: { choice: 'abort' } }),
    }),
    canceled: {
      ...pipeline({ agents: { write: () => 'open' } }),
      steer: (activities, runId) => {
        if (activities.sent.length < 2) return false;
        activities.raise(runId, 'cancel', { reason: 'not needed any more' });
        return true;
      },
    },
  },
  'content-moderation@1': {
    'approved-by-policy': moderation(0.2),
    approved: decided({ action: 'approve' }),
    rejected: decided({ action: 'reject', reason: 'rude' }),
    edited: decided({ action: 'edit', value: { text: 'You are nice.' } }),
    'answered-later': {
      ...moderation(0.9),
      steer: (activities) => {
        const [question] = activities.openQuestions;
        if (!question) return false;
        activities.decide(question.questionId, answered({ action: 'approve', reason: 'irony' }));
        return true;
      },
    },
    expired: moderation(0.9, {
      onAsk: () => ({ status: 'expired', answer: { action: 'reject', reason: 'no decision in time' } }),
    }),
    'moderator-missing': moderation(0.2, {
      agents: { 'score-spam': () => failed('down', false) },
      onAsk: () => answered({ action: 'approve' }),
    }),
    compensated: moderation(0.9, {
      agents: { 'append-audit': () => failed('disk full', false) },
      onAsk: () => answered({ action: 'edit', value: { text: 'You are nice.' } }),
    }),
    canceled: {
      ...moderation(0.9),
      steer: (activities, runId) => {
        if (activities.openQuestions.length === 0) return false;
        activities.raise(runId, 'cancel', { reason: 'deleted by its author' });
        return true;
      },
    },
  },
  'device-scene@1': deviceSceneCases,
  'purchase-order@1': purchaseOrderCases,
  'diagnosis-review@1': diagnosisReviewCases,
  'device-repair@1': deviceRepairCases,
  'health-monitor@1': healthMonitorCases,
  'health-alert@1': healthAlertCases,
  'chain@1': chainCases,
  'fan-out@1': fanOutCases,
  'report@1': reportCases,
};
