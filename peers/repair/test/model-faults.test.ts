import { describeModelFaults } from '@daca-mesh/protocol/testing';
import { start, wellLight } from './start.ts';

describeModelFaults('repair', {
  start,
  skill: 'repair-device',
  input: wellLight,
  answer: { report: 'Nothing was wrong with it.' },
});
