import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard } from '@a2a-js/sdk';
import { pino } from 'pino';
import { vi } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '../src/config.ts';
import { coordinatorCard } from '../src/coordinator-card.ts';
import { createServer } from '../src/server.ts';
import { defineWorkflow, type WorkflowDefinition } from '../src/workflow-kit/workflow.ts';

const input = z
  .strictObject({ text: z.string().min(1).max(100), deadlineMs: z.int().min(1).optional() })
  .meta({ examples: [{ text: 'a post' }] });
const Milder = z.strictObject({ text: z.string().min(3) });

/** Asks whether a text is good, then whether the author is to be told: two questions, no agent. */
const review = defineWorkflow({
  name: 'review',
  version: 1,
  description: 'Asks twice.',
  input,
  output: z.strictObject({ decisions: z.array(z.string()), by: z.array(z.string()) }),
  async *run(mesh, { text, deadlineMs }) {
    const first = yield* mesh.ask({
      prompt: `Is "${text}" good?`,
      actions: ['approve', 'reject', 'edit'],
      schema: Milder,
      arguments: { text },
      ...(deadlineMs === undefined
        ? {}
        : { deadline: `${deadlineMs}ms`, onDeadline: { action: 'reject', reason: 'nobody looked' } }),
    });
    const second = yield* mesh.ask({ prompt: 'Tell the author?' });
    const outcomes = [first, second];
    return {
      decisions: outcomes.map((outcome) => `${outcome.status}: ${outcome.answer?.action ?? 'none'}`),
      by: outcomes.map((outcome) => (outcome.status === 'answered' ? outcome.by : '')),
    };
  },
});

/** Takes the same input as `review`, so that bare data cannot say which is meant; waits for an event. */
const listen = defineWorkflow({
  name: 'listen',
  version: 1,
  description: 'Waits for an event.',
  input,
  output: z.strictObject({ heard: z.unknown() }),
  async *run(mesh) {
    const outcome = yield* mesh.waitFor('Go-Ahead');
    return { heard: outcome.status === 'received' ? outcome.payload : null };
  },
});

/** A whole coordinator in this process, with its own engine, database and interfaces. */
export interface TestCoordinator extends AsyncDisposable {
  url: string;
}

export async function startCoordinator(
  environment: Record<string, string> = {},
  workflows: readonly WorkflowDefinition[] = [review, listen],
): Promise<TestCoordinator> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await createServer(
    parseConfig({ MESH_DATA: folder, MESH_DURABILITY: 'normal', ...environment }),
    pino({ level: environment['MESH_LOG_LEVEL'] ?? 'silent' }),
    { workflows, card: AgentCard.fromJSON(coordinatorCard(workflows)) },
  );
  cleanup.use(server);
  const running = cleanup.move();
  return { url: server.url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** A reply, its body parsed. */
export interface HttpReply {
  status: number;
  headers: Headers;
  // The tests assert what the bodies hold; their shapes are what is tested.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

/** How a request differs from a plain GET or POST. */
export interface HttpInit {
  method?: string;
  headers?: Record<string, string>;
}

const isRaw = (body: unknown): body is string | Uint8Array<ArrayBuffer> =>
  typeof body === 'string' || body instanceof Uint8Array;

/** One request; a body that is neither text nor bytes is sent as JSON. */
export async function http(url: string, body?: unknown, init: HttpInit = {}): Promise<HttpReply> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body: isRaw(body) ? body : JSON.stringify(body) }),
    ...init,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers },
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** The open question of a run with this prompt, as soon as it is asked. */
export const openQuestion = (url: string, runId: string, prompt: RegExp = /./, headers: Record<string, string> = {}) =>
  vi.waitFor(
    async () => {
      const { questions } = (await http(`${url}/questions?status=open&runId=${runId}`, undefined, { headers })).body;
      const found = questions.find((question: { prompt: string }) => prompt.test(question.prompt));
      if (found === undefined) throw new Error(`run ${runId} asks nothing like ${prompt}`);
      return found;
    },
    { timeout: 15_000 },
  );
