import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { taskResult } from '../../client/index.ts';
import {
  type ContractPeer,
  formMessage,
  type PeerContract,
  settled,
  startPeer,
  wireError,
} from './contract-context.ts';
import { rawRequest } from './raw-http.ts';

/** What holds for an agent as a process: its token, its own data beside a second one, and its memory over a restart. */
export function describeProcess(contract: PeerContract, peer: () => ContractPeer): void {
  const [[skill, { valid }] = ['', { valid: {} }]] = Object.entries(contract.samples);

  describe('an agent', () => {
    it('demands its token everywhere but for the card and the probes of health', async () => {
      await using guarded = await startPeer(contract, { token: 'a-secret-token' });
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic a-secret-token' }]) {
        const rpc = await guarded.rpc('ListTasks', {}, { headers });
        expect([rpc.status, wireError(rpc).reason]).toEqual([401, 'UNAUTHENTICATED']);
        expect(rpc.headers['www-authenticate']).toMatch(/^Bearer/);
        const message = formMessage(skill, valid);
        const rest = await guarded.rest('/message:stream', { body: { message }, headers });
        expect([rest.status, wireError(rest).reason]).toEqual([401, 'UNAUTHENTICATED']);
      }
      const card = await rawRequest(`${guarded.url}/.well-known/agent-card.json`);
      expect(card.status).toBe(200);
      expect(card.json).toHaveProperty('securitySchemes');
      for (const probe of ['/healthz', '/readyz']) {
        await expect.poll(async () => (await rawRequest(guarded.url + probe)).status, { timeout: 10_000 }).toBe(200);
      }
      const task = await guarded.client.send({ skill, input: valid });
      expect(taskResult(await settled(guarded.client, task))).toBeDefined();
    });

    it('shares nothing with a second one', async () => {
      await using other = await startPeer(contract);
      const messageId = randomUUID();
      const [here, there] = await Promise.all(
        [peer(), other].map(({ client }) => client.send({ skill, input: valid, messageId })),
      );
      expect(here?.id).not.toBe(there?.id);
      await expect(other.client.get(here?.id ?? '')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    });

    it('is refused its data while another one has it open', async () => {
      await expect(startPeer(contract, { dataDir: peer().dataDir })).rejects.toThrow(/in use/);
    });

    it('remembers its tasks and messages over a restart', async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'peer-contract-'));
      try {
        const fields = { skill, input: valid, messageId: randomUUID() };
        const before = await startPeer(contract, { dataDir });
        const task = await settled(before.client, await before.client.send(fields));
        await before.close();
        await using after = await startPeer(contract, { dataDir });
        expect(await after.client.get(task.id)).toEqual(task);
        expect((await after.client.send(fields)).id).toBe(task.id);
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    });

    it('finishes what it was doing after a restart', async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'peer-contract-'));
      const work = contract.slow ?? { skill, input: valid, env: { MESH_SKILL_DELAY: '2000' } };
      try {
        const before = await startPeer(contract, { dataDir, env: work.env });
        const { id } = await before.client.send({ skill: work.skill, input: work.input });
        await before.close();
        await using after = await startPeer(contract, { dataDir });
        const task = await settled(after.client, await after.client.get(id));
        expect(taskResult(task)).toBeDefined();
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    });
  });
}
