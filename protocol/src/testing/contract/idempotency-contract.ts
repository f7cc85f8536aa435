import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type ContractPeer, formMessage, type PeerContract, settled, wireError } from './contract-context.ts';

/** The same message makes one task however often and however fast it comes; its id with another body is refused. */
export function describeIdempotency(contract: PeerContract, peer: () => ContractPeer): void {
  const [[skill, { valid }] = ['', { valid: {} }]] = Object.entries(contract.samples);

  describe('a repeated message', () => {
    it('returns the task it made, however often it comes at once or later', async () => {
      const contextId = randomUUID();
      const fields = { skill, input: valid, messageId: randomUUID(), contextId };
      const { client } = peer();
      const tasks = await Promise.all(Array.from({ length: 20 }, () => client.send(fields)));
      const task = await settled(client, await client.send(fields));
      expect(new Set(tasks.map(({ id }) => id))).toEqual(new Set([task.id]));
      const again = await client.send(fields);
      expect([again.id, again.status?.state]).toEqual([task.id, task.status?.state]);
      expect((await client.list({ contextId })).tasks.map(({ id }) => id)).toEqual([task.id]);
    });

    it('returns it whichever binding it comes over', async () => {
      const message = formMessage(skill, valid);
      const rpc = await peer().rpc('SendMessage', { message });
      const rest = await peer().rest('/message:send', { body: { message } });
      expect(rest.json).toMatchObject({ task: { id: taskIdIn(rpc.json?.['result']) } });
    });

    it('is refused with another body', async () => {
      const messageId = randomUUID();
      await peer().rpc('SendMessage', { message: formMessage(skill, valid, { messageId }) });
      const message = formMessage(skill, valid, { messageId, contextId: randomUUID() });
      expect(wireError(await peer().rpc('SendMessage', { message }))).toMatchObject({
        code: -32602,
        reason: 'MESSAGE_ID_REUSED',
      });
      const rest = await peer().rest('/message:send', { body: { message } });
      expect(rest.status).toBe(400);
      expect(wireError(rest).reason).toBe('MESSAGE_ID_REUSED');
    });
  });
}

/** The id of the task in a reply. */
function taskIdIn(result: unknown): unknown {
  expect(result).toMatchObject({ task: { id: expect.stringMatching(/./) } });
  // Checked by the matcher above.
  return (result as { task: { id: string } }).task.id;
}
