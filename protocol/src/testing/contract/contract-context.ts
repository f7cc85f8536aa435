import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Task } from '@a2a-js/sdk';
import { expect } from 'vitest';
import { AgentClient } from '../../client/index.ts';
import { isObject } from '../../client/json.ts';
import type { Answer } from '../../question.ts';
import { type RawResponse, rawRequest, type RawRequestOptions } from './raw-http.ts';

/** What a suite must know to start one agent, or another, and to make it work. */
export interface PeerContract {
  /** Starts an agent whose data lives in `dataDir`, on a port of its own. `env` is added to its environment. */
  start(options: StartOptions): Promise<StartedPeer>;
  /** An input that works and one that its schema refuses, for every skill on the card. */
  samples: Record<string, { valid: object; invalid: object }>;
  /** An input on which a skill asks, and an answer to it; for agents that ask. */
  question?: { skill: string; input: object; answer: Answer };
  /** How a started task is made to last: by default `MESH_SKILL_DELAY` and the first sample. */
  slow?: { skill: string; input: object; env: Record<string, string> };
}

/** How one agent of a contract is started. */
export interface StartOptions {
  dataDir: string;
  token?: string;
  env?: Record<string, string>;
}

/** A started agent. */
export interface StartedPeer {
  url: string;
  close(): Promise<void>;
}

/** The error of a refused call, whichever binding it came over. */
export interface WireError {
  code: number;
  message: string;
  reason: string | undefined;
}

/** One running agent and the ways to talk to it. */
export interface ContractPeer extends AsyncDisposable {
  url: string;
  client: AgentClient;
  dataDir: string;
  /** The URL of each binding. */
  jsonRpcUrl: string;
  restUrl: string;
  close(): Promise<void>;
  /** Calls a JSON-RPC method. */
  rpc(method: string, params: object, options?: RawRequestOptions): Promise<RawResponse>;
  /** Calls a REST path. */
  rest(path: string, options?: RawRequestOptions): Promise<RawResponse>;
}

/** How long a skill of a sample may take. */
export const skillTimeoutMs = 15_000;

/** Starts an agent in a folder of its own, which is removed at the end unless it was given. */
export async function startPeer(
  contract: PeerContract,
  options: { dataDir?: string; token?: string; env?: Record<string, string> } = {},
): Promise<ContractPeer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'peer-contract-')));
  const { token, env } = options;
  const started = await contract.start({ dataDir, ...(token ? { token } : {}), ...(env ? { env } : {}) });
  const client = await AgentClient.connect(started.url, token ? { token } : {});
  const jsonRpcUrl = interfaceUrl(client, 'JSONRPC');
  const restUrl = interfaceUrl(client, 'HTTP+JSON');
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= started.close());
  return {
    url: started.url,
    client,
    dataDir,
    jsonRpcUrl,
    restUrl,
    close,
    rpc: (method, params, rest) =>
      rawRequest(jsonRpcUrl, { body: { jsonrpc: '2.0', id: 'x', method, params }, ...rest }),
    rest: (path, rest) => rawRequest(`${restUrl}${path}`, rest),
    async [Symbol.asyncDispose]() {
      await close();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function interfaceUrl(client: AgentClient, binding: string): string {
  const found = client.card.supportedInterfaces.find(({ protocolBinding }) => protocolBinding === binding);
  expect(found, `the card lists an interface for ${binding}`).toBeDefined();
  return found?.url ?? '';
}

/** A message in ProtoJSON. */
export const wireMessage = (fields: object): object => ({ messageId: randomUUID(), role: 'ROLE_USER', ...fields });

/** A message that names its skill in plain A2A, without any extension. */
export const formMessage = (skill: string, input: object, fields: object = {}): object =>
  wireMessage({ parts: [{ data: { skill, input } }], ...fields });

/** Waits for a task to end. */
export async function settled(client: AgentClient, task: Task): Promise<Task> {
  for await (const _ of client.subscribe(task.id, { signal: AbortSignal.timeout(skillTimeoutMs) }));
  return client.get(task.id);
}

/** The error in a JSON-RPC, REST or problem reply, after checking that it is one and shows nothing of the inside. */
export function wireError(response: RawResponse): WireError {
  expect(response.headers['content-type']).toMatch(/^application\/(a2a\+|problem\+)?json/);
  expect(response.text).not.toMatch(/<html|node_modules|\bat \S+ \(|\.ts:\d+/i);
  if (response.headers['content-type']?.startsWith('application/problem+json')) return problem(response);
  // What an error body holds is checked field by field below.
  const error = (response.json?.['error'] ?? {}) as Record<string, unknown>;
  expect(error).toMatchObject({ code: expect.any(Number), message: expect.stringMatching(/\S/) });
  const details: unknown = error['data'] ?? error['details'];
  const info: unknown = Array.isArray(details) ? details.find((each: object) => 'reason' in each) : undefined;
  const reason = isObject(info) && typeof info['reason'] === 'string' ? info['reason'] : undefined;
  // Checked by the matcher above.
  return { code: error['code'] as number, message: error['message'] as string, reason };
}

/** An error of an HTTP API beside the A2A edges (RFC 9457). */
function problem({ json, status }: RawResponse): WireError {
  expect(json).toMatchObject({ status, detail: expect.stringMatching(/\S/), code: expect.any(String) });
  // Checked by the matcher above.
  return { code: status, message: json?.['detail'] as string, reason: json?.['code'] as string };
}
