import { randomUUID } from 'node:crypto';
import { TaskState } from '@a2a-js/sdk';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ContractPeer, formMessage, type PeerContract, settled, wireError } from './contract-context.ts';

/** Reading tasks: one, many by page and filter, and none that is not there. */
export function describeTasks(contract: PeerContract, peer: () => ContractPeer): void {
  const [[skill, { valid }] = ['', { valid: {} }]] = Object.entries(contract.samples);
  const contextId = randomUUID();
  const ids: string[] = [];

  describe('tasks', () => {
    beforeAll(async () => {
      for (let count = 0; count < 5; count++) {
        const task = await peer().client.send({ skill, input: valid, contextId });
        ids.push((await settled(peer().client, task)).id);
      }
    });

    it('are listed page by page, newest status first', async () => {
      const listed: string[] = [];
      let pageToken = '';
      do {
        const page = await peer().client.list({ contextId, pageSize: 2, pageToken });
        expect(page.tasks.length).toBeLessThanOrEqual(2);
        listed.push(...page.tasks.map(({ id }) => id));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(listed).toEqual(ids.toReversed());
    });

    it('are listed with the required fields also when there is none', async () => {
      const { json } = await peer().rpc('ListTasks', { contextId: 'no-such-context' });
      expect(json?.['result']).toMatchObject({ tasks: [], nextPageToken: '' });
    });

    it('are filtered by status and time', async () => {
      const { client } = peer();
      const count = async (filter: object) => (await client.list({ contextId, ...filter })).tasks.length;
      expect(await count({ status: TaskState.TASK_STATE_COMPLETED })).toBe(5);
      expect(await count({ status: TaskState.TASK_STATE_WORKING })).toBe(0);
      const last = (await client.get(ids.at(-1) ?? '')).status?.timestamp ?? '';
      expect(last).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+(\.\d{1,9})?Z$/);
      expect(await count({ statusTimestampAfter: last })).toBeGreaterThan(0);
      expect(await count({ statusTimestampAfter: '2100-01-01T00:00:00Z' })).toBe(0);
    });

    it('are listed with their artifacts only when asked', async () => {
      const without = await peer().client.list({ contextId });
      expect(without.tasks.every(({ artifacts }) => artifacts.length === 0)).toBe(true);
      const included = await peer().client.list({ contextId, includeArtifacts: true });
      expect(included.tasks.every(({ artifacts }) => artifacts.length > 0)).toBe(true);
    });

    it('keep the message, of which a caller gets as much as it asks for', async () => {
      const { client } = peer();
      const [id = ''] = ids;
      expect((await client.get(id, { historyLength: 0 })).history).toEqual([]);
      expect((await client.get(id, { historyLength: 1 })).history).toHaveLength(1);
      expect((await client.get(id)).history[0]?.parts[0]?.content?.$case).toBe('data');
    });

    it('refuse bad pages and lengths', async () => {
      for (const params of [{ pageSize: 101 }, { pageSize: -1 }, { pageToken: 'no-token' }, { historyLength: -1 }]) {
        expect(wireError(await peer().rpc('ListTasks', params)).code).toBe(-32602);
      }
      expect((await peer().rest('/tasks?pageSize=many')).status).toBe(400);
      expect(wireError(await peer().rpc('GetTask', { id: ids[0], historyLength: -1 })).code).toBe(-32602);
    });

    it('that do not exist are not found, whatever is wanted of them', async () => {
      const id = randomUUID();
      for (const method of ['GetTask', 'CancelTask', 'SubscribeToTask']) {
        expect(wireError(await peer().rpc(method, { id }))).toMatchObject({ code: -32001, reason: 'TASK_NOT_FOUND' });
      }
      const message = formMessage(skill, valid, { taskId: id });
      expect(wireError(await peer().rpc('SendMessage', { message })).code).toBe(-32001);
      for (const [path, method] of [
        ['', 'GET'],
        [':cancel', 'POST'],
        [':subscribe', 'GET'],
      ] as const) {
        const response = await peer().rest(`/tasks/${id}${path}`, { method });
        expect([response.status, wireError(response).reason]).toEqual([404, 'TASK_NOT_FOUND']);
      }
    });

    it('that have ended take no message and no cancel', async () => {
      const [id] = ids;
      const message = formMessage(skill, valid, { taskId: id });
      expect(wireError(await peer().rpc('SendMessage', { message })).code).toBe(-32004);
      expect(wireError(await peer().rpc('CancelTask', { id })).code).toBe(-32002);
      const rest = await peer().rest(`/tasks/${id}:cancel`, { method: 'POST' });
      expect([rest.status, wireError(rest).reason]).toEqual([400, 'TASK_NOT_CANCELABLE']);
    });

    it('belong to one context', async () => {
      const message = formMessage(skill, valid, { taskId: ids[0], contextId: randomUUID() });
      expect(wireError(await peer().rpc('SendMessage', { message })).code).toBe(-32602);
    });
  });
}
