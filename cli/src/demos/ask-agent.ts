import { MeshError } from '@daca-mesh/protocol';
import { type AgentClient, taskError, taskResult } from '@daca-mesh/protocol/client';
import type { z } from 'zod';

/** Sends an agent the input of one of its skills and returns the checked output. */
export async function askAgent<T>(
  client: AgentClient,
  skill: string,
  input: Record<string, unknown>,
  output: z.ZodType<T>,
): Promise<T> {
  const task = await client.send({ skill, input, blocking: true });
  const error = taskError(task);
  if (error !== undefined) throw error;
  const parsed = output.safeParse(taskResult(task));
  if (parsed.success) return parsed.data;
  throw new MeshError('INVALID_OUTPUT', `${client.card.name} answered ${skill} in an unexpected form`);
}
