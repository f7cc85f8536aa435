import { describeModelFaults } from '@daca-mesh/protocol/testing';
import { clearCase, start } from './start.ts';

describeModelFaults('diagnostician', {
  start,
  skill: 'draft-diagnosis',
  input: clearCase,
  answer: { hypotheses: [{ condition: 'Pneumonia', reasons: ['She coughs and has little oxygen.'], against: [] }] },
});
