import type { AgentClient } from '@daca-mesh/protocol/client';
import type { AnswerBody, MeshApi, Question, Run } from '../mesh-api.ts';
import type { ControlClient } from '../supervisor/control-client.ts';

/** Demonstrations of one shipped workflow. */
export interface Demo {
  workflow: string;
  /** By name, the usual way first: that is the one shown unless another is asked for. */
  variants: Readonly<Record<string, DemoVariant>>;
}

/** One way a run can go, and how to know that it went right. */
export interface DemoVariant {
  /** What happens, in a few words. */
  title: string;
  /** A new input; every run of the demonstration has one of its own. */
  createInput(): Record<string, unknown>;
  /** Starts the run in another way than with its input, by an event for example, and gives its id. */
  start?(stage: DemoStage, input: Record<string, unknown>): Promise<string>;
  /** What `--auto` answers; undefined leaves a question alone, for its deadline for example. */
  answer?(question: Question): AnswerBody | undefined;
  /** What happens meanwhile, once the run has started: an agent dies, an event comes twice. */
  meanwhile?(stage: DemoStage, runId: string): Promise<void>;
  /** Looks at the outcome, also in the agents themselves, and says everything that is wrong with it. */
  findProblems(outcome: DemoOutcome): Promise<string[]>;
}

/** Where a demonstration takes place. */
export interface DemoStage {
  api: MeshApi;
  /** A client of the agent with a skill. */
  agentWith: (skill: string) => Promise<AgentClient>;
  /**
   * The processes of the mesh, to end them.
   * @throws MeshError `UNAVAILABLE` where the mesh is known by its URL only.
   */
  control: () => ControlClient;
}

/** A run that has ended. */
export interface DemoOutcome extends DemoStage {
  input: Record<string, unknown>;
  run: Run;
  /** Whether the demonstration itself answered, with {@link DemoVariant.answer}. */
  auto: boolean;
}
