import { type FunctionTool, tool } from '@openai/agents';
import { z } from 'zod';
import { digest } from '../ids.ts';
import { isMeshError, MeshError, type MeshErrorCode } from '../mesh-error.ts';
import type { TaskHandle } from '../server/skill.ts';
import type { Decisions } from './decisions.ts';

/** What the tools of a run share. */
export interface ToolScope {
  readonly task: TaskHandle;
  readonly decisions: Decisions;
  /** What is stored of it with a run. */
  toJSON(): object;
}

/** One call of a tool, as its code sees it. */
export interface ToolCall {
  readonly task: TaskHandle;
  readonly callId: string;
  /** For the receiver of an effect: the same over all attempts of this call. */
  readonly idempotencyKey: string;
}

/** What makes a tool of the mesh. */
export interface MeshToolOptions<P extends z.ZodObject> {
  name: string;
  /** Tells a model what the tool does and when to use it. */
  description: string;
  /** A strict object whose properties are all required (use `.nullable()`); descriptions tell a model what goes in. */
  parameters: P;
  /** Whether a person has to approve a call: the task asks, and the answer runs, edits or refuses it. */
  needsApproval?: boolean | ((input: z.output<P>) => boolean | Promise<boolean>);
  /** It changes nothing, so it may run again when a turn is repeated; false by default. */
  readOnly?: boolean;
  /** Its receiver recognizes `idempotencyKey`, so a call of unknown outcome is repeated instead of failing the task. */
  idempotent?: boolean;
  /**
   * Does it; returns JSON. A MeshError is told to the model as `{ error: { code, message, retryable } }` so that it can
   * go on; one that leaves the outcome unknown, and anything that is no MeshError, fails the task.
   */
  execute(input: z.output<P>, call: ToolCall): Promise<unknown>;
}

/**
 * Makes a tool whose effect happens once, however often its turn is repeated after a crash: what it did is stored by
 * `task.once`. An approved call is known by its call id, which is stored with the question; any other by its name and
 * arguments, because a model that is asked again makes up new call ids. A task therefore does the same thing with the
 * same arguments twice only where each call is approved, or the tool is `readOnly`.
 */
export function meshTool<P extends z.ZodObject>(options: MeshToolOptions<P>): FunctionTool<ToolScope, z.ZodObject> {
  const { name, description, parameters, needsApproval = false } = options;
  const isToBeApproved = (input: z.output<P>): boolean | Promise<boolean> =>
    typeof needsApproval === 'function' ? needsApproval(input) : needsApproval;
  const meshed = tool<z.ZodObject, ToolScope>({
    name,
    description,
    parameters,
    // Arguments that do not fit are refused before anything runs: nobody has to decide about them.
    needsApproval: async (_, input) => {
      const parsed = parameters.safeParse(input);
      return parsed.success && isToBeApproved(parsed.data);
    },
    execute: async (given, context, details) => {
      const callId = details?.toolCall?.callId;
      if (!context || callId === undefined) throw new TypeError(`${name} can only be called by runAgentSkill`);
      // The SDK hands over what `parameters` made of the arguments.
      const input = given as z.output<P>;
      // Whatever the SDK made of the answer, or of a schema that takes its own output for wrong.
      if (context.context.decisions[callId]?.approved !== true && (await isToBeApproved(input))) {
        throw new MeshError('FORBIDDEN', `nobody approved this call of ${name}`);
      }
      return JSON.stringify(await call(options, input, { ...context.context, callId }));
    },
    errorFunction: (context, error) => tellModel(error, context.context.task.signal),
  });
  editable.add(meshed);
  return meshed;
}

const editable = new WeakSet<object>();

/** Whether a tool can be run with other arguments than the model gave: those made by {@link meshTool}. */
export const isEditable = (candidate: object): boolean => editable.has(candidate);

async function call<P extends z.ZodObject>(
  options: MeshToolOptions<P>,
  given: z.output<P>,
  { task, decisions, callId }: ToolScope & { callId: string },
): Promise<unknown> {
  const decision = decisions[callId];
  const isEdited = decision?.arguments !== undefined;
  const input = isEdited ? parseEdit(options.parameters, decision.arguments) : given;
  const key = `tool:${options.name}:${decision ? callId : digest(input)}`;
  const execute = () => options.execute(input, { task, callId, idempotencyKey: task.idempotencyKey(key) });
  const result = options.readOnly
    ? await execute()
    : await task.once(key, async () => (await execute()) ?? null, { idempotent: options.idempotent ?? false });
  return isEdited
    ? { result: result ?? null, arguments: input, note: 'a person changed the arguments' }
    : (result ?? null);
}

/** The answer was checked against the tool's JSON Schema; this finds what only its code demands. */
function parseEdit<P extends z.ZodObject>(parameters: P, edited: unknown): z.output<P> {
  const parsed = parameters.safeParse(edited);
  if (parsed.success) return parsed.data;
  throw new MeshError(
    'ANSWER_INVALID',
    `a person changed the arguments to wrong ones: ${z.prettifyError(parsed.error)}`,
  );
}

/** Failures after which the turn cannot go on, whatever the model thinks of them. */
const final: ReadonlySet<MeshErrorCode> = new Set([
  'CANCELED',
  'OUTCOME_UNKNOWN',
  'STORE_FAILED',
  'TASK_BUSY',
  'TASK_TERMINAL',
]);

function tellModel(error: unknown, signal: AbortSignal): string {
  if (error instanceof Error && error.constructor.name === 'InvalidToolInputError') {
    return JSON.stringify({ error: { code: 'INVALID_ARGUMENT', message: 'the arguments do not fit the parameters' } });
  }
  if (!isMeshError(error) || final.has(error.code) || signal.aborted) throw error;
  const { code, message, retryable } = error;
  return JSON.stringify({ error: { code, message, retryable } });
}
