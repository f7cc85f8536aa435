import { MeshError } from '@daca-mesh/protocol';
import { skillSchemas } from '@daca-mesh/agent-cards';
import {
  afterCommit,
  type Callers,
  createCallers,
  type Database,
  detachedSkill,
  run,
  type Skill,
  type TaskCore,
  type Unit,
} from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { createActivities, type LocalActivity } from './activities/activities.ts';
import { createDeadlineScheduler, type DeadlineScheduler } from './deadlines/scheduler.ts';
import { checkSteps } from './directory/check-steps.ts';
import { createDirectory, type Directory } from './directory/directory.ts';
import type { ForeignPolicy } from './directory/foreign-agents.ts';
import type { EventBus } from '@daca-mesh/protocol/events';
import { createEvents, type Events } from './events/events.ts';
import { type EventSettings, noEventSettings } from './events/event-settings.ts';
import { createEventSource, sinksOf } from './events/event-source.ts';
import type { ModelEndpoint } from './health/check-model.ts';
import { createHealthActivities } from './health/health-activities.ts';
import { escalateQuestion, remindQuestion } from './inbox/question-steps.ts';
import { expireQuestion } from './inbox/questions.ts';
import type { InboxDeps } from './inbox/show-questions.ts';
import { createOutboxPump } from './outbox/pump.ts';
import type { RunEngine } from './outbox/run-engine.ts';
import { limitChild } from './runs/cancel-run.ts';
import { expireWait } from './runs/receive-event.ts';
import { forgetRun } from './runs/forget-run.ts';
import { createRunOwner } from './runs/run-owner.ts';
import { createRuns, type Runs } from './runs/runs.ts';
import { reviewRuns, type RunStall, stallRun } from './runs/stalled-runs.ts';
import { createSweep } from './runs/sweep.ts';
import { warnOfHistory } from './runs/warn-history.ts';
import { openCoordinatorDatabase } from './store/open.ts';
import { createPayloadStore } from './store/payloads.ts';
import { query } from './store/schema.ts';
import { createSignals, type Signals } from './store/signals.ts';
import { limitCall, limitSilence } from './watcher/call-limits.ts';
import type { WatcherDeps, WatcherSettings } from './watcher/watcher-deps.ts';
import { createWatcher } from './watcher/watcher.ts';
import type { KitActivities } from './workflow-kit/contract.ts';
import type { PayloadStore } from './workflow-kit/payloads.ts';
import { newestVersions } from './workflow-kit/versions.ts';
import { withChildren } from './workflow-kit/with-children.ts';
import type { WorkflowDefinition } from './workflow-kit/workflow.ts';

/**
 * The coordinator without its edges: every part over one database, wired together. Parts know each other only by rows
 * and signals, so the order in which they start does not matter, and none of them has to stop in a particular order.
 */

/** A workflow engine that executes the given activities. */
export interface ActivityEngine extends RunEngine {
  start(): Promise<void>;
  close(): Promise<void>;
  onStall(listener: (stall: RunStall & { instanceId: string }) => void): void;
  onLongHistory(listener: (history: { instanceId: string; events: number }) => void): void;
}

export interface CoordinatorOptions {
  database: { path: string; durability?: 'full' | 'normal' };
  workflows: readonly WorkflowDefinition[];
  /** Origins of the peers, in order of preference. */
  peers: readonly string[];
  /** The token of the mesh, sent to the peers. */
  token?: string | undefined;
  /** What is known of callers by name; by default nobody has a token of their own. */
  identify?: Callers['identify'];
  /** Rules, webhooks and bus; by default the shipped rules and nothing to publish to. */
  events?: { settings: EventSettings; bus?: EventBus | undefined };
  /** Which agents outside the mesh may be called by their URL; by default none. */
  foreign?: ForeignPolicy;
  /** The model endpoint that is watched; none where the agents use the offline model. */
  model?: ModelEndpoint | undefined;
  logger: Logger;
  /** Makes the engine; it is started and closed with the coordinator. */
  createEngine: (activities: KitActivities, payloadStore: PayloadStore) => ActivityEngine;
  localActivities?: Readonly<Record<string, LocalActivity>>;
  watcher?: Partial<WatcherSettings>;
  /** How often open runs are compared with the engine; 30 s by default. */
  sweepMs?: number;
}

export interface Coordinator {
  readonly database: Database;
  readonly signals: Signals;
  readonly directory: Directory;
  readonly runs: Runs;
  /** What questions are answered with. */
  readonly inbox: InboxDeps;
  readonly engine: ActivityEngine;
  readonly events: Events;
  /** One detached skill per workflow, for the agent server. */
  readonly skills: Record<string, Skill>;
  /** Begins to work, with the task core of the server that serves the skills. */
  start(core: TaskCore): Promise<void>;
  /** Shows that the engine holds a run back. */
  reportStall(runId: string, stall: RunStall): void;
  /** Whether runs can make progress. */
  ready(): boolean;
  /** Stops; whatever is under way goes on from its rows at the next start. The core must be drained before. */
  close(): Promise<void>;
}

const settings: WatcherSettings = { streams: true, polling: true, lingerMs: 250, name: 'coordinator' };

/** Wires a coordinator. Nothing runs before `start`. */
export function createCoordinator(options: CoordinatorOptions): Coordinator {
  const { logger, workflows } = options;
  const database = openCoordinatorDatabase(options.database);
  const signals = createSignals();
  const core = new LateCore();
  const directory = createDirectory({
    origins: options.peers,
    token: options.token,
    logger,
    ...(options.foreign ? { foreign: options.foreign } : {}),
  });
  const { settings: eventSettings = noEventSettings, bus } = options.events ?? {};
  const source = createEventSource({ name: settings.name, ...sinksOf(eventSettings, bus) });
  const deps: WatcherDeps = {
    database,
    signals,
    core,
    identify: options.identify ?? createCallers({}).identify,
    onQuestion: source.onQuestion,
    onRunEnd: source.onRunEnd,
    directory,
    logger,
    outputSchema: (skill) => (isKnownSkill(skill) ? skillSchemas[skill].output : undefined),
    settings: { ...settings, ...options.watcher },
  };
  const events = createEvents({ deps: { ...deps, workflows }, source, settings: eventSettings, bus });
  const watcher = createWatcher(deps);
  const runs = createRuns({ ...deps, core });
  const activities = createActivities({
    deps,
    watcher,
    inputSchema: (name, version) => workflows.find((each) => each.name === name && each.version === version)?.input,
    localActivities: {
      ...createHealthActivities({ database, directory, runs, model: options.model }),
      'check-steps': (steps) => checkSteps(directory, steps),
      ...events.activities,
      ...options.localActivities,
    },
  });
  const engine = options.createEngine(activities, createPayloadStore(database));
  const parts = {
    watcher,
    deadlines: createDeadlines(deps),
    pump: createOutboxPump({ database, signals, engine, logger }),
    sweep: createSweep({ ...deps, engine, ...(options.sweepMs === undefined ? {} : { intervalMs: options.sweepMs }) }),
  };
  const reportStall = watchEngine(engine, deps);
  return {
    database,
    signals,
    directory,
    engine,
    events,
    reportStall,
    inbox: deps,
    runs,
    skills: Object.fromEntries(
      newestVersions(workflows).map((workflow) => [workflow.name, detachedSkill(createRunOwner(deps, workflow))]),
    ),
    start: async (started) => {
      core.attach(started);
      await reviewRuns(deps, withChildren(workflows));
      await Promise.all([engine.start(), directory.start()]);
      await Promise.all([parts.watcher.start(), parts.pump.start(), events.start()]);
      parts.deadlines.start();
      parts.sweep.start();
    },
    ready: () => core.isAttached && engine.ready(),
    close: async () => {
      await parts.sweep.close();
      await parts.pump.close();
      await engine.close();
      await Promise.all([parts.watcher.close(), parts.deadlines.close(), directory.close(), events.close()]);
      await database.close();
    },
  };
}

/** Notes what the engine notices about runs. @returns how a stall is noted. */
function watchEngine(
  engine: ActivityEngine,
  { database, signals, core, logger }: WatcherDeps,
): Coordinator['reportStall'] {
  const reportStall = (runId: string, stall: RunStall): void => {
    database
      .write(() => stallRun({ signals, core }, runId, stall))
      .catch((err: unknown) => logger.error({ err, runId }, 'a stalled run could not be marked'));
  };
  engine.onStall(({ instanceId, reason, message }) => reportStall(instanceId, { reason, message }));
  engine.onLongHistory(({ instanceId: runId, events }) => {
    database
      .write(() => warnOfHistory(signals, runId, events))
      .then((isNew) => isNew && logger.warn({ runId, events }, 'the history of a run is long'))
      .catch((err: unknown) => logger.error({ err, runId }, 'a long history could not be noted'));
  });
  return reportStall;
}

function createDeadlines(deps: WatcherDeps): DeadlineScheduler {
  return createDeadlineScheduler({
    database: deps.database,
    signals: deps.signals,
    logger: deps.logger,
    handlers: {
      'call-limit': (deadline) => limitCall(deps, deadline),
      'call-silence': (deadline) => limitSilence(deps, deadline),
      question: ({ ref }) => expireQuestion(deps, ref),
      escalation: ({ ref }) => escalateQuestion(deps, ref),
      reminder: ({ ref }) => remindQuestion(deps, ref),
      wait: ({ ref }) => expireWait(deps, ref),
      child: ({ ref }) => limitChild(deps.signals, ref),
      purge: ({ run_id }) => requestPurge(deps.signals, run_id),
      retention: ({ run_id }) => forgetRun(run_id),
    },
  });
}

/** The engine's instance of a run that ended long ago is removed. */
function* requestPurge(signals: Signals, runId: string): Unit<void> {
  const now = Date.now();
  yield* run(
    query
      .insertInto('outbox')
      .values({
        run_id: runId,
        kind: 'purge',
        event_no: 0,
        name: '',
        payload: 'null',
        state: 'pending',
        tries: 0,
        next_at: now,
      })
      .compile(),
  );
  yield* afterCommit(() => signals.outbox.emit());
}

const isKnownSkill = (skill: string): skill is keyof typeof skillSchemas => Object.hasOwn(skillSchemas, skill);

type OwnedCore = Pick<TaskCore, 'append' | 'load' | 'create' | 'sendMessage'>;

/** The task core belongs to the server, which needs the skills first, which append to the core. */
class LateCore implements OwnedCore {
  #core: OwnedCore | undefined;

  get isAttached(): boolean {
    return this.#core !== undefined;
  }

  attach(core: OwnedCore): void {
    this.#core = core;
  }

  append(...args: Parameters<OwnedCore['append']>): ReturnType<OwnedCore['append']> {
    return this.#get().append(...args);
  }

  load(...args: Parameters<OwnedCore['load']>): ReturnType<OwnedCore['load']> {
    return this.#get().load(...args);
  }

  create(...args: Parameters<OwnedCore['create']>): ReturnType<OwnedCore['create']> {
    return this.#get().create(...args);
  }

  sendMessage(...args: Parameters<OwnedCore['sendMessage']>): ReturnType<OwnedCore['sendMessage']> {
    return this.#get().sendMessage(...args);
  }

  #get(): OwnedCore {
    if (this.#core) return this.#core;
    throw new MeshError('UNAVAILABLE', 'the coordinator is starting', { retryable: true });
  }
}
