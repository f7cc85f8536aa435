import { afterAll, beforeAll, describe } from 'vitest';
import { describeBadInput } from './contract/bad-input-contract.ts';
import { describeCard } from './contract/card-contract.ts';
import { type ContractPeer, type PeerContract, startPeer } from './contract/contract-context.ts';
import { describeIdempotency } from './contract/idempotency-contract.ts';
import { describeProcess } from './contract/process-contract.ts';
import { describeSdkClient } from './contract/sdk-client-contract.ts';
import { describeSkills } from './contract/skill-contract.ts';
import { describeStreams } from './contract/stream-contract.ts';
import { describeTasks } from './contract/task-contract.ts';

/**
 * The contract every agent of the mesh keeps, over real HTTP: card, skills, streams, idempotency, errors, tasks, token,
 * restart, and the client of the official SDK. Every agent runs it in its own tests:
 *
 * ```ts
 * describePeerContract('formatter', { start, samples: { format: { valid: { text: 'a' }, invalid: { text: 1 } } } });
 * ```
 */
export function describePeerContract(name: string, contract: PeerContract): void {
  describe(`the peer contract: ${name}`, () => {
    let running: ContractPeer | undefined;
    const peer = (): ContractPeer => {
      if (!running) throw new Error('the agent did not start');
      return running;
    };
    beforeAll(async () => {
      running = await startPeer(contract);
    });
    afterAll(async () => running?.[Symbol.asyncDispose]());

    describeCard(contract, peer);
    describeSkills(contract, peer);
    describeStreams(contract, peer);
    describeIdempotency(contract, peer);
    describeTasks(contract, peer);
    describeBadInput(contract, peer);
    describeProcess(contract, peer);
    describeSdkClient(contract, peer);
  });
}
