import { TaskState } from '@a2a-js/sdk';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { AgentClient, taskError, taskResult } from '../../client/index.ts';
import { extensionUris } from '../../extensions.ts';
import { dataPart } from '../../parts.ts';
import {
  type ContractPeer,
  formMessage,
  type PeerContract,
  settled,
  skillTimeoutMs,
  wireError,
  wireMessage,
} from './contract-context.ts';

/** Every declared skill works over every binding and answers as its schema says, however it is named. */
export function describeSkills(contract: PeerContract, peer: () => ContractPeer): void {
  const schemas = (): Record<string, { input: object; output: object }> => {
    const extensions = peer().client.card.capabilities?.extensions ?? [];
    return extensions.find(({ uri }) => uri === extensionUris.skill)?.params?.['schemas'] ?? {};
  };
  const accepting = (input: object): string[] =>
    Object.entries(schemas()).flatMap(([id, schema]) => (compile(schema.input)(input) ? [id] : []));

  describe.each(Object.entries(contract.samples))('skill %s', (skill, { valid, invalid }) => {
    it.each(['JSONRPC', 'HTTP+JSON'])('answers over %s with what its schema promises', async (binding) => {
      const { card } = peer().client;
      const supportedInterfaces = card.supportedInterfaces.filter((each) => each.protocolBinding === binding);
      const client = await AgentClient.connect({ ...card, supportedInterfaces });
      const task = await settled(client, await client.send({ skill, input: valid }));
      expect(taskError(task)).toBeUndefined();
      expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
      const result = taskResult(task);
      const validate = compile(schemas()[skill]?.output ?? false);
      expect({ result, valid: validate(result), errors: validate.errors }).toEqual({
        result,
        valid: true,
        errors: null,
      });
      const artifact = task.artifacts.find(({ name }) => name === skill);
      expect(artifact?.parts.map(({ content }) => content?.$case)).toEqual(['data', 'text']);
    });

    it('is chosen by the data part { skill, input }', async () => {
      const { client } = peer();
      const task = await client.send({ parts: [dataPart({ skill, input: valid })], blocking: true });
      expect((await settled(client, task)).artifacts.some(({ name }) => name === skill)).toBe(true);
    });

    it('is chosen by a bare data part exactly when no other skill takes it', async () => {
      const message = wireMessage({ parts: [{ data: valid }] });
      const response = await peer().rpc('SendMessage', { message, configuration: { returnImmediately: true } });
      const outcome = response.json?.['result'] ? 'accepted' : wireError(response).reason;
      expect(outcome).toBe(accepting(valid).length === 1 ? 'accepted' : 'SKILL_REQUIRED');
    });

    it('refuses an input against its schema, with what is wrong, and stores nothing', async () => {
      expect(accepting(invalid)).not.toContain(skill);
      const contextId = crypto.randomUUID();
      const message = formMessage(skill, invalid, { contextId });
      const rpc = wireError(await peer().rpc('SendMessage', { message }));
      expect(rpc).toMatchObject({ code: -32602, reason: 'INVALID_ARGUMENT' });
      const rest = await peer().rest('/message:send', { body: { message } });
      expect(rest.status).toBe(400);
      expect(wireError(rest).reason).toBe('INVALID_ARGUMENT');
      expect((await peer().client.list({ contextId })).tasks).toEqual([]);
    });
  });

  it('refuses a skill it does not have', async () => {
    const message = formMessage('no-such-skill', {});
    expect(wireError(await peer().rpc('SendMessage', { message }))).toMatchObject({
      code: -32602,
      reason: 'SKILL_NOT_FOUND',
    });
  });

  const { question } = contract;
  if (question) {
    it('asks, waits, takes one answer, and ends', { timeout: 3 * skillTimeoutMs }, async () => {
      const { client } = peer();
      const { id } = await client.send({ skill: question.skill, input: question.input });
      const states = async () => (await client.get(id)).status?.state;
      await expect.poll(states, { timeout: skillTimeoutMs }).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
      await client.answer(id, question.answer);
      expect((await settled(client, await client.get(id))).status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
      await expect(client.answer(id, question.answer)).rejects.toMatchObject({ name: 'MeshError' });
    });
  }
}

function compile(schema: object | boolean): ValidateFunction {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  return ajv.compile(schema);
}
