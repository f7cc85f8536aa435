import type { Answer } from '@daca-mesh/protocol';
import type { QuestionOutcome } from '../src/workflow-kit/contract.ts';
import type { Script, ScriptedActivities } from '../src/workflow-kit/testing/scripted-activities.ts';

/** A way a run can go, of which there shall be a recorded history. */
export interface Case {
  input: unknown;
  script: Script;
  /** What happens to it from outside, once: acts when it is time to, and says whether it did. */
  steer?: (activities: ScriptedActivities, runId: string) => boolean;
}

/** What a question comes to when somebody answers it. */
export const answered = (answer: Answer): QuestionOutcome => ({ status: 'answered', answer, by: 'ann' });
