import { AgentCard } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { extensionUris } from '../../extensions.ts';
import type { ContractPeer, PeerContract } from './contract-context.ts';
import { rawRequest } from './raw-http.ts';

/** The card: public, exact ProtoJSON, cacheable, and naming every sampled skill with its schemas. */
export function describeCard(contract: PeerContract, peer: () => ContractPeer): void {
  const cardUrl = () => `${peer().url}/.well-known/agent-card.json`;

  describe('the card', () => {
    it('is exact ProtoJSON', async () => {
      const { status, headers, json } = await rawRequest(cardUrl(), { headers: { 'a2a-version': '' } });
      expect(status).toBe(200);
      expect(headers['content-type']).toMatch(/^application\/json/);
      expect(json).toEqual(AgentCard.toJSON(AgentCard.fromJSON(json)));
    });

    it('is answered with 304 while its ETag holds', async () => {
      const { headers } = await rawRequest(cardUrl());
      const etag = headers.etag ?? '';
      expect(etag).toMatch(/"/);
      expect((await rawRequest(cardUrl(), { headers: { 'if-none-match': etag } })).status).toBe(304);
      expect((await rawRequest(cardUrl(), { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    });

    it('names its own origin and version 1.0 in every interface', () => {
      for (const { url, protocolVersion } of peer().client.card.supportedInterfaces) {
        expect(new URL(url).origin).toBe(new URL(peer().url).origin);
        expect(protocolVersion).toBe('1.0');
      }
    });

    it('lists exactly the sampled skills, each with its schemas', () => {
      const { skills, capabilities } = peer().client.card;
      const sampled = Object.keys(contract.samples).toSorted();
      expect(skills.map(({ id }) => id).toSorted()).toEqual(sampled);
      const extension = capabilities?.extensions.find(({ uri }) => uri === extensionUris.skill);
      expect(Object.keys(extension?.params?.['schemas'] ?? {}).toSorted()).toEqual(sampled);
    });

    it('demands no extension', () => {
      for (const extension of peer().client.card.capabilities?.extensions ?? []) expect(extension.required).toBe(false);
    });

    it('stands beside health checks', async () => {
      expect((await rawRequest(`${peer().url}/healthz`)).status).toBe(200);
      // It may be ready a little later than it listens.
      await expect.poll(async () => (await rawRequest(`${peer().url}/readyz`)).status, { timeout: 10_000 }).toBe(200);
    });
  });
}
