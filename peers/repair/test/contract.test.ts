import { describePeerContract } from '@daca-mesh/protocol/testing';
import { start, stuckLight, wellLight } from './start.ts';

describePeerContract('repair', {
  start,
  samples: { 'repair-device': { valid: wellLight, invalid: { ...wellLight, kind: 'toaster' } } },
  question: { skill: 'repair-device', input: stuckLight, answer: { action: 'approve' } },
});
