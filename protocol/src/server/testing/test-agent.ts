import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard, type Message, type Part, type SendMessageRequest, SendMessageRequest as Codec } from '@a2a-js/sdk';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { newId } from '../../ids.ts';
import { Message as MessageCodec } from '@a2a-js/sdk';
import { openSqliteDatabase } from '../database/sqlite-database.ts';
import type { Skill } from '../skill.ts';
import { taskSchema } from '../store/task-tables.ts';
import { createTaskCore, type TaskCore, type TaskCoreOptions } from '../task-core.ts';

/** What most test skills take and return. */
export const text = { input: z.strictObject({ text: z.string() }), output: z.strictObject({ text: z.string() }) };

/** A card with these skills, in this order. */
export const testCard = (skillIds: readonly string[]): AgentCard =>
  AgentCard.fromJSON({
    name: 'test-agent',
    description: 'An agent under test',
    version: '1.0.0',
    supportedInterfaces: ['JSONRPC', 'HTTP+JSON'].map((protocolBinding) => ({
      url: 'http://placeholder',
      protocolBinding,
      protocolVersion: '1.0',
    })),
    capabilities: { streaming: true },
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: skillIds.map((id) => ({ id, name: id, description: id, tags: ['test'] })),
  });

/** A new folder that is removed when the test has ended. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** One life of a task core; `stop` ends it in order. */
export interface CoreLife {
  core: TaskCore;
  stop: () => Promise<void>;
}

/** Starts a task core on a folder; ended with the test if not before. */
export async function startCore(
  folder: string,
  skills: Record<string, Skill>,
  options: Partial<TaskCoreOptions> = {},
): Promise<CoreLife> {
  const database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [taskSchema], durability: 'normal' });
  const core = await createTaskCore({
    database,
    skills,
    card: testCard(Object.keys(skills)),
    logger: pino({ level: 'silent' }),
    ...options,
  });
  const stop = async (): Promise<void> => {
    await core.drain();
    await database.close();
  };
  onTestFinished(stop);
  return { core, stop };
}

/** Fields of a request that differ from a plain text message. */
export interface RequestFields {
  text?: string;
  data?: unknown;
  parts?: Part[];
  message?: Partial<Message>;
  returnImmediately?: boolean;
  historyLength?: number;
}

/** A request to send a message. */
export function sendRequest(fields: RequestFields = {}): SendMessageRequest {
  const content = fields.data === undefined ? { text: fields.text ?? 'hello' } : { data: fields.data };
  const message = MessageCodec.fromJSON({ messageId: newId(), role: 'ROLE_USER', parts: [content] });
  return {
    ...Codec.fromJSON({
      configuration: {
        returnImmediately: fields.returnImmediately ?? false,
        ...(fields.historyLength !== undefined && { historyLength: fields.historyLength }),
      },
    }),
    message: { ...message, ...(fields.parts && { parts: fields.parts }), ...fields.message },
  };
}

/** A promise to be settled by the test. */
export const gate = (): { opened: Promise<void>; open: () => void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
};
