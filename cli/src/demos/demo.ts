import type { AgentClient } from '@daca-mesh/protocol/client';
import type { AnswerBody, Run } from '../mesh-api.ts';

/** A demonstration of one shipped workflow that knows what the right outcome is. */
export interface Demo {
  workflow: string;
  title: string;
  /** A new input; every run of the demonstration has one of its own. */
  createInput(): Record<string, unknown>;
  /** What `--auto` answers to the questions of the run. */
  answer?: AnswerBody;
  /** Looks at the outcome, also in the agents themselves, and says everything that is wrong with it. */
  findProblems(outcome: Outcome): Promise<string[]>;
}

/** A run that has ended. */
interface Outcome {
  input: Record<string, unknown>;
  run: Run;
  /** Whether the demonstration itself answered, with {@link Demo.answer}. */
  auto: boolean;
  /** A client of the agent with a skill. */
  agentWith: (skill: string) => Promise<AgentClient>;
}
