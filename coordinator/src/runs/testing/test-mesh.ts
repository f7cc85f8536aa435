import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard, type Task } from '@a2a-js/sdk';
import { digest, extensionUris } from '@daca-mesh/protocol';
import {
  type AgentServer,
  all,
  createAgentServer,
  type Skill,
  skill,
  type SkillContext,
} from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { z } from 'zod';
import { type Coordinator, createCoordinator } from '../../coordinator.ts';
import type { ForeignPolicy } from '../../directory/foreign-agents.ts';
import { type CallRow, query } from '../../store/schema.ts';
import { readTimeline, type TimelineEntry } from '../../store/timeline.ts';
import type { WatcherSettings } from '../../watcher/watcher-deps.ts';
import type { CallRequest } from '../../workflow-kit/contract.ts';
import type { WorkflowDefinition } from '../../workflow-kit/workflow.ts';
import { type Script, ScriptedEngine } from './scripted-engine.ts';

export const silent = pino({ level: 'silent' });

const Work = z.looseObject({ text: z.string().optional() });
const Done = z.looseObject({});

/** What an agent of a test does. */
export type Behaviour = (context: SkillContext<z.infer<typeof Work>>) => Promise<Record<string, unknown>>;

export interface AgentFields {
  name?: string;
  /** What its database is called; by default as the agent. */
  store?: string;
  durability?: 'full' | 'normal';
  port?: number;
  /** Where others reach it, when that is not where it listens. */
  publicUrl?: string;
  /** Announces and keeps the mesh's extensions; true by default. Else it is a plain A2A agent. */
  ours?: boolean;
  /** How many tasks it works on at a time. */
  maxRunning?: number;
}

/** A coordinator over a real database with agents that are real servers, in one temporary folder. */
export class TestMesh implements AsyncDisposable {
  readonly folder: string;
  readonly scripts: Record<string, Script>;
  readonly #closers: (() => Promise<void>)[] = [];
  #peers: string[] = [];
  coordinator!: Coordinator;
  engine!: ScriptedEngine;
  server!: AgentServer;

  private constructor(folder: string, scripts: Record<string, Script>) {
    this.folder = folder;
    this.scripts = scripts;
  }

  static async create(scripts: Record<string, Script>): Promise<TestMesh> {
    return new TestMesh(await mkdtemp(join(tmpdir(), 'runs-')), scripts);
  }

  /** Starts an agent with one skill per behaviour. */
  async agent(
    skills: Record<string, Behaviour>,
    {
      name = 'agent',
      store = name,
      durability = 'normal',
      port = 0,
      publicUrl,
      ours = true,
      maxRunning = 64,
    }: AgentFields = {},
  ): Promise<AgentServer> {
    const server = await createAgentServer({
      card: agentCard(name, Object.keys(skills), ours),
      skills: Object.fromEntries(
        Object.entries(skills).map(([id, run]): [string, Skill] => [id, skill({ input: Work, output: Done }, run)]),
      ),
      database: { path: join(this.folder, `${store}.db`), durability },
      logger: silent,
      port,
      idempotency: ours,
      limits: { maxRunning },
      ...(publicUrl === undefined ? {} : { publicUrl }),
    });
    this.#closers.push(() => server.close());
    const url = publicUrl ?? server.url;
    if (!this.#peers.includes(url)) this.#peers.push(url);
    return server;
  }

  /** Makes the coordinator know an origin nobody listens at yet. */
  expectPeer(url: string): void {
    this.#peers.push(url);
  }

  /** Takes an agent out of what the coordinator is configured with when it starts next. */
  forgetPeer(url: string): void {
    this.#peers = this.#peers.filter((each) => each !== url);
  }

  /** Starts the coordinator; again after `stop` or `crash`, on the same files. */
  async start(
    watcher: Partial<WatcherSettings> = {},
    { engineUp = true, ...options }: { sweepMs?: number; engineUp?: boolean; foreign?: ForeignPolicy } = {},
  ): Promise<void> {
    const workflows = Object.keys(this.scripts).map(definition);
    this.coordinator = createCoordinator({
      database: { path: join(this.folder, 'coordinator.db'), durability: 'normal' },
      workflows,
      peers: this.#peers,
      logger: silent,
      createEngine: (activities) => {
        this.engine = new ScriptedEngine(activities, this.scripts);
        this.engine.up = engineUp;
        return this.engine;
      },
      watcher: { lingerMs: 50, ...watcher },
      ...options,
    });
    this.server = await createAgentServer({
      card: agentCard('coordinator', Object.keys(this.scripts), true),
      skills: this.coordinator.skills,
      database: this.coordinator.database,
      logger: silent,
      onFollow: (taskId) => this.coordinator.signals.followers.follow(taskId),
    });
    await this.coordinator.start(this.server.core);
  }

  /** Closes the database under everything, so that nothing can be tidied up: what is on disk is all that is left. */
  async crash(): Promise<void> {
    await this.coordinator.database.close();
    await this.stop();
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.coordinator.close();
  }

  async run(workflow: string, input: unknown = {}): Promise<string> {
    return (await this.coordinator.runs.start(workflow, input, { caller: 'local' })).runId;
  }

  task(runId: string): Promise<Task> {
    return this.server.core.getTask({ tenant: '', id: runId, historyLength: undefined }, { caller: 'local' });
  }

  timeline(runId: string): Promise<TimelineEntry[]> {
    return this.coordinator.database.read(() => readTimeline(runId, 0, 1_000));
  }

  async timelineTypes(runId: string): Promise<string[]> {
    return (await this.timeline(runId)).map(({ type }) => type);
  }

  calls(runId: string): Promise<readonly CallRow[]> {
    return this.coordinator.database.read(() =>
      all(query.selectFrom('calls').selectAll().where('run_id', '=', runId).orderBy('created_at').compile()),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
    await Promise.all(this.#closers.map((close) => close().catch(() => undefined)));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A call of a run, with what a test does not care about filled in. */
export function callOf(runId: string, key: string, fields: Partial<CallRequest> = {}): CallRequest {
  const attempt = fields.attempt ?? 1;
  return {
    callId: `${runId}-c${digest(key).slice(0, 12)}`,
    attempt,
    messageId: digest([runId, key, attempt]),
    effectKey: digest([runId, key]),
    path: key,
    target: { skill: 'work' },
    input: { text: key },
    timeoutMs: 20_000,
    noProgressMs: 20_000,
    questionPolicy: 'ask-human',
    repeatable: false,
    onUnknown: 'ask-human',
    compensating: false,
    ...fields,
  };
}

const definition = (name: string): WorkflowDefinition => ({
  name,
  version: 1,
  title: name,
  description: 'a workflow of a test',
  input: z.looseObject({}),
  output: z.unknown(),
  uses: [],
  run() {
    throw new Error('executed by its script');
  },
});

function agentCard(name: string, skills: readonly string[], ours: boolean): AgentCard {
  const uris = ['skill', 'idempotency', 'linger', 'generation', 'question'] as const;
  return AgentCard.fromJSON({
    name,
    description: 'an agent of a test',
    version: '1.0.0',
    supportedInterfaces: [{ url: 'http://127.0.0.1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: { streaming: true, extensions: ours ? uris.map((each) => ({ uri: extensionUris[each] })) : [] },
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: skills.map((id) => ({ id, name: id, description: id, tags: ['test'] })),
  });
}
