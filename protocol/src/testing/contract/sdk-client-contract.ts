import { randomUUID } from 'node:crypto';
import { Role, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { ClientFactory, ClientFactoryOptions } from '@a2a-js/sdk/client';
import { describe, expect, it } from 'vitest';
import { taskResult } from '../../client/index.ts';
import { dataPart, userMessage } from '../../parts.ts';
import { collect } from '../collect.ts';
import { type ContractPeer, type PeerContract, skillTimeoutMs } from './contract-context.ts';

/** The official SDK's client, knowing the URL and nothing of this mesh, uses the agent unchanged. */
export function describeSdkClient(contract: PeerContract, peer: () => ContractPeer): void {
  const [[skill, { valid }] = ['', { valid: {} }]] = Object.entries(contract.samples);
  const request = () => ({
    tenant: '',
    message: userMessage({ messageId: randomUUID(), parts: [dataPart({ skill, input: valid })] }),
    configuration: undefined,
    metadata: undefined,
  });

  describe.each(['JSONRPC', 'HTTP+JSON'])('the client of the official SDK over %s', (binding) => {
    const connect = async () => {
      const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { preferredTransports: [binding] });
      return new ClientFactory(options).createFromUrl(peer().url);
    };

    it('sends and gets the result', async () => {
      const client = await connect();
      const sent = await client.sendMessage(request());
      expect(sent).toHaveProperty('status');
      // A reply with a status is a task.
      const { id } = sent as Task;
      const get = () => client.getTask({ tenant: '', id });
      await expect.poll(async () => taskResult(await get()), { timeout: skillTimeoutMs }).toBeDefined();
      expect((await get()).history[0]?.role).toBe(Role.ROLE_USER);
      const listed = await client.listTasks({
        tenant: '',
        contextId: (await get()).contextId,
        status: TaskState.TASK_STATE_UNSPECIFIED,
        pageToken: '',
        statusTimestampAfter: undefined,
      });
      expect(listed.tasks.map((task) => task.id)).toEqual([id]);
    });

    it('streams to the end', async () => {
      const client = await connect();
      const events: StreamResponse[] = await collect(client.sendMessageStream(request()));
      expect(events[0]?.payload?.$case).toBe('task');
      const last = events.at(-1)?.payload;
      expect(last?.$case === 'statusUpdate' && last.value.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    });

    it('gets the errors of the specification', async () => {
      const client = await connect();
      await expect(client.getTask({ tenant: '', id: randomUUID() })).rejects.toMatchObject({
        reason: 'TASK_NOT_FOUND',
      });
    });
  });
}
