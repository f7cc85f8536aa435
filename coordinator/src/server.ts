import { join } from 'node:path';
import type { AgentCard } from '@a2a-js/sdk';
import { loadCard } from '@daca-mesh/agent-cards';
import {
  createAgentServer,
  createCallers,
  isLoopback,
  localCaller,
  meshCaller,
  type RunningServer,
  serverSettings,
} from '@daca-mesh/protocol/server';
import { type Sidecar, type SidecarOptions, startSidecar } from '@daca-mesh/sidecar';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { type Coordinator, createCoordinator } from './coordinator.ts';
import { followPresence } from './directory/follow-presence.ts';
import { createEngine } from './engine/engine.ts';
import { connectBus } from './events/events.ts';
import { createRoutes } from './http/api.ts';
import { createRouter, reportProblem } from './http/router.ts';
import { RunFeed } from './http/run-feed.ts';
import { loadRun } from './runs/run-rows.ts';
import type { RunStall } from './runs/stalled-runs.ts';
import type { WorkflowDefinition } from './workflow-kit/workflow.ts';
import { workflows as shippedWorkflows } from './workflows/index.ts';

/** What a coordinator offers: its workflows, and the card that says so. */
export interface Offer {
  workflows: readonly WorkflowDefinition[];
  card: AgentCard;
}

/** A listening coordinator. */
export interface CoordinatorServer extends RunningServer, AsyncDisposable {
  readonly failed: Promise<Error>;
}

/**
 * Starts the coordinator: engine, runs, A2A interface and HTTP API in one process. What an earlier process left behind
 * goes on from its rows.
 */
export async function createServer(config: Config, logger: Logger, offer?: Offer): Promise<CoordinatorServer> {
  const { workflows, card } = offer ?? { workflows: shippedWorkflows, card: loadCard('coordinator') };
  await using cleanup = new AsyncDisposableStack();
  const engineFailed = Promise.withResolvers<Error>();
  const stalls = new StalledInstances();
  // Dapr has a token of its own; our sidecar takes that of the mesh.
  const engineAt =
    config.daprEndpoint === undefined
      ? toEmbedded(
          config,
          cleanup.use(await startEngine(config, logger, { onFailure: engineFailed.resolve, onStalled: stalls.add })),
        )
      : { address: config.daprEndpoint };
  const coordinator = createCoordinator({
    database: { path: join(config.dataPath, 'coordinator.db'), durability: config.durability },
    workflows,
    peers: config.peers,
    token: config.token,
    model: config.model,
    events: { settings: config.events, bus: await connectBus(config.natsUrl, logger) },
    foreign: { origins: config.allowedAgents, loopback: isLoopback(config.host) },
    identify: createCallers(config).identify,
    logger,
    createEngine: (activities, payloadStore) =>
      createEngine({ ...engineAt, workflows, activities, payloadStore, logger }),
  });
  cleanup.defer(() => coordinator.close());
  stalls.tell(coordinator);
  const closing = new AbortController();
  const server = await createAgentServer({
    ...serverSettings(config),
    card,
    skills: coordinator.skills,
    // Runs belong to the mesh: whoever may call it sees them all, over HTTP and over A2A.
    taskOwner: config.token === undefined ? localCaller : meshCaller,
    logger,
    database: coordinator.database,
    // Whoever follows the task of a run wants to see its calls at once.
    onFollow: (taskId) => coordinator.signals.followers.follow(taskId),
    ready: () => isReady(coordinator),
    routes: ({ callerOf }) => {
      const routes = createRoutes(
        { ...coordinator, workflows, feed: new RunFeed(coordinator) },
        {
          title: card.name,
          version: card.version,
          description: card.description,
          secured: config.token !== undefined,
        },
      );
      return createRouter(routes, { callerOf, signal: closing.signal });
    },
    answerErrors: reportProblem(logger),
  });
  cleanup.use(server);
  // Streams and long polls end first: the server waits for open connections.
  cleanup.defer(() => closing.abort());
  await coordinator.start(server.core);
  const ownUrl = config.publicUrl ?? server.url;
  cleanup.use(await followPresence(coordinator.directory, { natsUrl: config.natsUrl, ownUrl, logger }));

  const running = cleanup.move();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= running.disposeAsync());
  return {
    url: server.url,
    failed: Promise.race([server.failed, engineFailed.promise]),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const startEngine = (
  config: Config,
  logger: Logger,
  listeners: Pick<SidecarOptions, 'onFailure' | 'onStalled'>,
): Promise<Sidecar> =>
  startSidecar({
    path: join(config.dataPath, 'engine.db'),
    durability: config.durability,
    ...(config.token === undefined ? {} : { apiToken: config.token }),
    ...(config.daprHttpPort === undefined ? {} : { httpPort: config.daprHttpPort }),
    // Our worker has no queue limit of its own, so the bound that protects an untuned one would only slow it down.
    maxUnackedPerStream: 5_000,
    logger: logger.child({ part: 'sidecar' }),
    ...listeners,
  });

const toEmbedded = ({ token }: Config, { address, inProcess }: Sidecar) => ({
  address,
  apiToken: token,
  interceptors: [inProcess],
});

/** What the engine holds back. It knows of the first while it starts, when there is no coordinator yet to be told. */
class StalledInstances {
  readonly #early: [instanceId: string, reason: string][] = [];
  #coordinator: Coordinator | undefined;

  readonly add = (instanceId: string, reason: string): void => {
    if (this.#coordinator === undefined) this.#early.push([instanceId, reason]);
    else this.#coordinator.reportStall(instanceId, toStall(reason));
  };

  tell(coordinator: Coordinator): void {
    this.#coordinator = coordinator;
    for (const [instanceId, reason] of this.#early.splice(0)) coordinator.reportStall(instanceId, toStall(reason));
  }
}

const toStall = (reason: string): RunStall =>
  reason === 'quarantined'
    ? {
        reason: 'QUARANTINED',
        message: 'the process ended three times in a row during the same turn; resume to try again',
      }
    : { reason: 'ENGINE', message: `the engine holds its instance back: ${reason}` };

/** Asks what it tells: the engine is connected, and the database answers. */
async function isReady(coordinator: Coordinator): Promise<boolean> {
  if (!coordinator.ready()) return false;
  await coordinator.database.read(() => loadRun('none'));
  return true;
}
