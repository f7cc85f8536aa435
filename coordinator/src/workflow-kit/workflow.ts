import type { z } from 'zod';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';

/** A workflow as it is registered. */
export interface WorkflowDefinition {
  readonly name: string;
  /** A run keeps the version it was started with. */
  readonly version: number;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  /** The workflows it runs as children: a worker that executes it executes them too. */
  readonly uses: readonly WorkflowDefinition[];
  run(mesh: Mesh, input: unknown): Step<unknown>;
}

/** A workflow as its author writes it. */
export interface Workflow<I extends z.ZodType, O extends z.ZodType> {
  /** Lower case words joined by `-`; the coordinator offers the workflow as a skill of this id. */
  name: string;
  /**
   * From 1. A run keeps the version it was started with, and new ones take the highest that is registered. Whoever changes
   * which steps are made, their order or their inputs raises it, and keeps the old definition registered until its runs
   * have ended: a run that meets code that does not fit it stalls, and goes on with fitting code.
   */
  version: number;
  /** For people; default the name. */
  title?: string;
  description: string;
  input: I;
  output: O;
  /** The workflows it runs by `mesh.child` and `mesh.map`. They need not be registered anywhere else. */
  uses?: readonly WorkflowDefinition[];
  /** Deterministic: uses nothing but `mesh` and its input. An `async function*` whose steps are used with `yield*`. */
  run(mesh: Mesh, input: z.output<I>): Step<z.input<O>>;
}

/** A workflow whose types are known: what `mesh.child` and `mesh.map` take. */
export interface TypedWorkflow<I extends z.ZodType, O extends z.ZodType> extends WorkflowDefinition {
  readonly input: I;
  readonly output: O;
}

/** Defines a workflow: a deterministic generator whose steps survive any crash. */
export function defineWorkflow<I extends z.ZodType, O extends z.ZodType>(
  workflow: Workflow<I, O>,
): TypedWorkflow<I, O> {
  const { name, version } = workflow;
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name)) throw new TypeError(`not a workflow name: ${name}`);
  if (!Number.isInteger(version) || version < 1) throw new TypeError(`not a version: ${version}`);
  // The engine completes a sync generator at once, without running it.
  // oxlint-disable-next-line typescript/unbound-method -- only its kind is looked at
  if (Object.prototype.toString.call(workflow.run) !== '[object AsyncGeneratorFunction]') {
    throw new TypeError(`${name}: run must be an async generator function`);
  }
  return Object.freeze({ ...workflow, title: workflow.title ?? name, uses: workflow.uses ?? [] });
}

/** What a workflow is registered as with the engine. */
export const registeredName = ({ name, version }: Pick<WorkflowDefinition, 'name' | 'version'>): string =>
  `${name}@${version}`;
