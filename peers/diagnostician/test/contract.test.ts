import { describePeerContract } from '@daca-mesh/protocol/testing';
import { clearCase, start } from './start.ts';

describePeerContract('diagnostician', {
  start,
  samples: {
    'draft-diagnosis': { valid: clearCase, invalid: { ...clearCase, patient: { ageYears: 'old' } } },
  },
  question: {
    skill: 'draft-diagnosis',
    input: { patient: {}, complaint: 'Not myself', symptoms: [] },
    answer: { action: 'answer', value: { symptoms: null, ageYears: 40 } },
  },
});
