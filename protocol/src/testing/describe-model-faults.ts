import type { Task } from '@a2a-js/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskError, taskResult } from '../client/index.ts';
import { extensionUris } from '../extensions.ts';
import type { MeshErrorCode } from '../mesh-error.ts';
import { type ContractPeer, type PeerContract, startPeer } from './contract/contract-context.ts';
import { type ModelEndpoint, startModelEndpoint } from './model-endpoint/model-endpoint.ts';
import type { ModelReply } from './model-endpoint/model-reply.ts';

/** What the suite must know of an agent that asks a model. */
export interface ModelAgent {
  /** As in the peer contract. The model comes by environment: `OPENAI_BASE_URL`, `MESH_MODEL`, `MESH_MODEL_API`, `MESH_MODEL_TIMEOUT`. */
  start: PeerContract['start'];
  skill: string;
  /** An input that works. */
  input: object;
  /** What a good model answers to it at once, without calling tools. */
  answer: object;
}

type Fault = [title: string, reply: ModelReply, code: MeshErrorCode, retryable: boolean];

const faultsOf = (answer: string): Fault[] => [
  ['a lasting 503', { status: 503 }, 'UNAVAILABLE', true],
  ['a lasting 429', { status: 429 }, 'RESOURCE_EXHAUSTED', true],
  ['a wrong key', { status: 401 }, 'PEER_FAILED', false],
  ['a stream that is cut', { answer, fault: 'cut' }, 'UNAVAILABLE', true],
  ['a stream with garbage', { answer, fault: 'garbage' }, 'UNAVAILABLE', true],
  ['a stream that ends too soon', { answer, fault: 'unfinished' }, 'INVALID_OUTPUT', true],
  ['an answer that says nothing', { answer: '' }, 'INVALID_OUTPUT', true],
  ['an answer that is no JSON', { answer: 'I think so.' }, 'INVALID_OUTPUT', true],
  ['an answer of another form', { answer: '{"unexpected":true}' }, 'INVALID_OUTPUT', true],
  ['a call of a tool that is not there', { calls: [{ name: 'no_such_tool', arguments: {} }] }, 'INVALID_OUTPUT', true],
  ['a refusal', { refusal: 'I cannot help with that.' }, 'MODEL_REFUSED', false],
];

const silencesOf = (answer: string): [title: string, reply: ModelReply][] => [
  ['a model that is silent', { silent: true }],
  ['a stream that falls silent', { answer, fault: 'stall' }],
];

/**
 * How an agent that asks a model meets everything that goes wrong with one, in both wire formats: passing failures are
 * survived, lasting ones end the task with a typed error that tells nothing of the inside. Every such agent runs it:
 *
 * ```ts
 * describeModelFaults('writer', { start, skill: 'write', input, answer: { title: 'Tea', text: 'Water.' } });
 * ```
 */
export function describeModelFaults(name: string, agent: ModelAgent): void {
  const answer = JSON.stringify(agent.answer);

  describe.each(['chat', 'responses'] as const)(`${name} with a model over HTTP (%s)`, (api) => {
    const started = withModel(agent, api);

    it('makes its result of what the model answers, and says what that took', async () => {
      const { taskFor, endpoint, peer } = started();
      const task = await taskFor({ answer });
      expect(taskResult(task)).toMatchObject({ model: 'test-model' });
      expect(endpoint.requests[0]).toMatchObject({ model: 'test-model' });
      expect(endpoint.seen[0]?.path).toBe(api === 'chat' ? '/v1/chat/completions' : '/v1/responses');
      const extensions = peer.client.card.capabilities?.extensions.map(({ uri }) => uri);
      expect(extensions).toContain(extensionUris.usage);
      expect(task.artifacts.at(-1)?.metadata?.[extensionUris.usage]).toEqual({
        model: 'test-model',
        requests: 1,
        inputTokens: 11,
        outputTokens: 7,
      });
    });

    it.each([500, 429])('survives one status %d', async (status) => {
      const { taskFor, endpoint } = started();
      expect(taskResult(await taskFor({ status }, { answer }))).toMatchObject({ model: 'test-model' });
      expect(endpoint.requests).toHaveLength(2);
    });

    it.each(faultsOf(answer))('fails on %s', async (...[, reply, code, retryable]) => {
      const task = await started().taskFor(reply);
      expect(taskError(task)).toMatchObject({ code: 'PEER_FAILED', retryable, details: { code } });
      expect(JSON.stringify(task)).not.toMatch(/127\.0\.0\.1|node_modules|I cannot help/);
    });

    // An agent of its own: nothing else may depend on how fast this machine is.
    describe('within a time limit', () => {
      const impatient = withModel(agent, api, 300);

      it.each(silencesOf(answer))('gives up on %s', async (...[, reply]) => {
        const task = await impatient().taskFor(reply);
        const code: MeshErrorCode = 'DEADLINE_EXCEEDED';
        expect(taskError(task)).toMatchObject({ code: 'PEER_FAILED', retryable: true, details: { code } });
      });
    });
  });
}

/** One agent, and the endpoint it asks. */
interface StartedWithModel {
  peer: ContractPeer;
  endpoint: ModelEndpoint;
  /** The task that ends while the endpoint plays this script. */
  taskFor: (...script: [ModelReply, ...ModelReply[]]) => Promise<Task>;
}

/** Starts an agent and an endpoint for the suite around it. */
function withModel(agent: ModelAgent, api: 'chat' | 'responses', timeoutMs?: number): () => StartedWithModel {
  let started: StartedWithModel | undefined;
  beforeAll(async () => {
    const endpoint = await startModelEndpoint({ status: 500 });
    const env = {
      OPENAI_BASE_URL: endpoint.baseUrl,
      MESH_MODEL: 'test-model',
      MESH_MODEL_API: api,
      ...(timeoutMs !== undefined && { MESH_MODEL_TIMEOUT: String(timeoutMs) }),
    };
    const peer = await startPeer({ start: agent.start, samples: {} }, { env });
    const { skill, input } = agent;
    const taskFor = (...script: [ModelReply, ...ModelReply[]]): Promise<Task> => {
      endpoint.play(...script);
      return peer.client.send({ skill, input, blocking: true });
    };
    started = { peer, endpoint, taskFor };
  });
  afterAll(async () => {
    await started?.peer[Symbol.asyncDispose]();
    await started?.endpoint[Symbol.asyncDispose]();
  });
  return () => {
    if (!started) throw new Error('the agent did not start');
    return started;
  };
}
