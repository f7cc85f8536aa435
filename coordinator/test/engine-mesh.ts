import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentCard, type Message } from '@a2a-js/sdk';
import { MeshError } from '@daca-mesh/protocol';
import { type AgentServer, all, createAgentServer, run, skill } from '@daca-mesh/protocol/server';
import { type Sidecar, startSidecar } from '@daca-mesh/sidecar';
import { pino } from 'pino';
import { vi } from 'vitest';
import { z } from 'zod';
import { type Coordinator, createCoordinator } from '../src/coordinator.ts';
import { coordinatorCard } from '../src/coordinator-card.ts';
import { createEngine } from '../src/engine/engine.ts';
import { listQuestions, type QuestionPage } from '../src/inbox/inbox.ts';
import { answerQuestion } from '../src/inbox/questions.ts';
import { loadRun } from '../src/runs/run-rows.ts';
import type { Run } from '../src/runs/run-view.ts';
import { type CallRow, type CoordinatorSchema, query, type RunRow } from '../src/store/schema.ts';
import { readTimeline, type TimelineEntry } from '../src/store/timeline.ts';
import type { KitActivities } from '../src/workflow-kit/contract.ts';
import type { WorkflowDefinition } from '../src/workflow-kit/workflow.ts';
import { workerCard } from './worker-card.ts';

const silent = pino({ level: 'silent' });

const StepInput = z.looseObject({ name: z.string(), ms: z.number().optional(), fail: z.boolean().optional() });

/** What the agent did: the names of the steps in order, and how many were under way at a time. */
export interface WorkDone {
  effects: string[];
  load: { now: number; most: number };
}

/** A coordinator on a real engine, with its inside open to a test, and one agent that does steps. */
export class EngineMesh implements AsyncDisposable {
  readonly #folder: string;
  readonly #workflows: readonly WorkflowDefinition[];
  readonly #endpoint: string | undefined;
  readonly #agent: AgentServer;
  #sidecar: Sidecar | undefined;
  #server!: AgentServer;
  coordinator!: Coordinator;
  /** What the workflows reach the world through. */
  activities!: KitActivities;
  readonly effects: string[];
  readonly load: WorkDone['load'];

  private constructor(
    folder: string,
    workflows: readonly WorkflowDefinition[],
    endpoint: string | undefined,
    agent: AgentServer,
    done: WorkDone,
  ) {
    this.#folder = folder;
    this.#workflows = workflows;
    this.#endpoint = endpoint;
    this.#agent = agent;
    this.effects = done.effects;
    this.load = done.load;
  }

  /** @param endpoint Of an engine that is there already; without it an embedded one is started. */
  static async start(workflows: readonly WorkflowDefinition[], endpoint?: string): Promise<EngineMesh> {
    const folder = await mkdtemp(join(tmpdir(), 'children-'));
    const done: WorkDone = { effects: [], load: { now: 0, most: 0 } };
    const agent = await startWorker(folder, done);
    const mesh = new EngineMesh(folder, workflows, endpoint, agent, done);
    await mesh.begin();
    return mesh;
  }

  /** Starts engine and coordinator, again after `end`. */
  async begin(): Promise<void> {
    const address = this.#endpoint ?? (await this.#startSidecar());
    const workflows = this.#workflows;
    this.coordinator = createCoordinator({
      database: { path: join(this.#folder, 'coordinator.db'), durability: 'normal' },
      workflows,
      peers: [this.#agent.url],
      logger: silent,
      createEngine: (activities, payloadStore) => {
        this.activities = activities;
        return createEngine({ address, workflows, activities, payloadStore, logger: silent });
      },
      sweepMs: 100,
    });
    this.#server = await createAgentServer({
      card: AgentCard.fromJSON(coordinatorCard(workflows)),
      skills: this.coordinator.skills,
      database: this.coordinator.database,
      logger: silent,
    });
    await this.coordinator.start(this.#server.core);
  }

  async #startSidecar(): Promise<string> {
    const path = join(this.#folder, 'engine.db');
    this.#sidecar = await startSidecar({ path, durability: 'normal', maxUnackedPerStream: 5_000 });
    return this.#sidecar.address;
  }

  async end(): Promise<void> {
    await this.#server.close();
    await this.coordinator.close();
    await this.#sidecar?.close();
  }

  /** Loses everything the engine knows; to be called between `end` and `begin`. */
  async loseEngine(): Promise<void> {
    for (const suffix of ['', '-wal', '-shm']) await rm(join(this.#folder, `engine.db${suffix}`), { force: true });
  }

  get core(): AgentServer['core'] {
    return this.#server.core;
  }

  async run(workflow: string, input: unknown = {}): Promise<string> {
    return (await this.coordinator.runs.start(workflow, input, { caller: 'local' })).runId;
  }

  get(runId: string): Promise<Run> {
    return this.coordinator.runs.get(runId);
  }

  /** The run when it has ended. */
  ended(runId: string): Promise<Run> {
    return patiently(async () => {
      const run = await this.get(runId);
      if (!/completed|failed|canceled/.test(run.status)) throw new Error(`run ${runId} is ${run.status}`);
      return run;
    });
  }

  async children(root: string): Promise<Run[]> {
    return (await this.coordinator.runs.list({ root, limit: 500 })).runs;
  }

  timeline(runId: string): Promise<TimelineEntry[]> {
    return this.coordinator.database.read(() => readTimeline(runId, 0, 10_000));
  }

  async timelineTypes(runId: string): Promise<string[]> {
    return (await this.timeline(runId)).map(({ type }) => type);
  }

  questions(runId: string): Promise<QuestionPage> {
    return this.coordinator.database.read(() => listQuestions({ runId, status: 'open', limit: 50 }));
  }

  async answer(questionId: string): Promise<void> {
    const { inbox, database } = this.coordinator;
    const me = inbox.identify('me');
    await database.write(() => answerQuestion(inbox, questionId, { action: 'approve' }, me));
  }

  /** Sends a message to the coordinator as an A2A client does. */
  async send(message: Message): Promise<void> {
    const configuration = {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      historyLength: 0,
      returnImmediately: true,
    };
    await this.core.sendMessage({ tenant: '', message, configuration, metadata: undefined }, { caller: 'local' });
  }

  /** How many calls of a run and its children are in a state. */
  async calls(root: string, state: CallRow['state']): Promise<number> {
    const rows = await this.coordinator.database.read(() =>
      all(query.selectFrom('calls').select('run_id').where('state', '=', state).compile()),
    );
    return rows.filter(({ run_id }) => run_id.startsWith(root)).length;
  }

  /** Changes a row behind the coordinator's back. */
  async set(runId: string, changes: Partial<RunRow>): Promise<void> {
    await this.coordinator.database.write(() =>
      run(query.updateTable('runs').set(changes).where('run_id', '=', runId).compile()),
    );
  }

  row(runId: string): Promise<RunRow | undefined> {
    return this.coordinator.database.read(() => loadRun(runId));
  }

  /** Takes the instance of a run away from the engine, as if it had lost it, and leaves its children. */
  async vanish(runId: string): Promise<void> {
    await this.set(runId, { status: 'pending' });
    await this.coordinator.engine.terminate(runId);
  }

  /** How many rows a table has. */
  async count(table: keyof CoordinatorSchema): Promise<number> {
    const rows = await this.coordinator.database.read(() => all(query.selectFrom(table).selectAll().compile()));
    return rows.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end().catch(() => undefined);
    await this.#agent.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Asks until it is so; the machine may be slow. */
export const patiently = <T>(ask: () => Promise<T> | T): Promise<T> =>
  vi.waitFor(ask, { timeout: 50_000, interval: 20 });

/** Starts the agent that does steps, each effect once. */
export const startWorker = (folder: string, { effects, load }: WorkDone): Promise<AgentServer> =>
  createAgentServer({
    card: workerCard({ id: 'step', name: 'Step', description: 'Does a step' }),
    skills: {
      step: skill({ input: StepInput, output: z.strictObject({ did: z.string() }) }, async ({ input, task }) => {
        load.most = Math.max(load.most, ++load.now);
        try {
          await sleep(input.ms ?? 0, undefined, { signal: task.signal });
        } finally {
          load.now--;
        }
        if (input.fail) throw new MeshError('PEER_REJECTED', `${input.name} cannot be done`);
        await task.once('effect', async () => {
          effects.push(input.name);
          return {};
        });
        return { did: input.name };
      }),
    },
    database: { path: join(folder, 'worker.db'), durability: 'normal' },
    logger: silent,
    limits: { maxRunning: 256 },
  });
