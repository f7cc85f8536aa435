import {
  connectNatsBus,
  createHttpPublisher,
  type EventBus,
  type EventPublisher,
  forgetReceived,
  startEventPublisher,
  WakeLoop,
} from '@daca-mesh/protocol/events';
import { type Database, run, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { LocalActivity } from '../activities/activities.ts';
import { query } from '../store/schema.ts';
import type { RuleDeps } from './apply-rules.ts';
import { createEventReceiver, type EventReceiver } from './event-receiver.ts';
import { loadRules } from './event-rules.ts';
import type { EventSettings } from './event-settings.ts';
import type { EventSource } from './event-source.ts';
import { eventQuery } from './event-tables.ts';
import { createPublishEvent } from './publish-event.ts';
import { lastSurplusEvent, pruneEvents } from './stored-events.ts';
import { createWebhooks, limitPending, type Webhooks } from './webhooks.ts';

/** Events in and out: rules, bus and webhooks, over the coordinator's database. */
export interface Events extends EventReceiver {
  readonly source: EventSource;
  readonly webhooks: Webhooks;
  /** What workflows do to the world of events. */
  readonly activities: Readonly<Record<string, LocalActivity>>;
  /** What is parked on the bus; nothing without NATS. */
  readonly parked: Pick<EventBus, 'listParked' | 'redrive'> | undefined;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface EventsOptions {
  deps: Omit<RuleDeps, 'rules'> & { database: Database; logger: Logger };
  source: EventSource;
  settings: EventSettings;
  bus: EventBus | undefined;
}

const dayMs = 24 * 60 * 60 * 1_000;
/** How long an event is recognized when it comes again; how long, and how many, can be looked at; how many wait for a webhook. */
const retention = {
  idsMs: 90 * dayMs,
  eventsMs: 30 * dayMs,
  kept: { events: 20_000, bytes: 512 * 1024 ** 2 },
  pending: 100_000,
};
const pruneEveryMs = 60_000;
/** Who brings the events of the bus and of workflows: nobody whose name was proved. */
const busCaller = 'event-bus';

/** Wires events. @throws TypeError when the rules are not valid. */
export function createEvents({ deps, source, settings, bus }: EventsOptions): Events {
  const { database, logger } = deps;
  const publisher = bus ?? toPublisher(settings);
  const rules = loadRules(settings.rulesPath, deps.workflows);
  const receiver = createEventReceiver({ ...deps, rules, source: source.source });
  const webhooks = createWebhooks({
    database,
    urls: settings.webhooks,
    secret: settings.webhookSecret,
    put: source.put,
    logger,
  });
  const closing: (() => Promise<unknown>)[] = [];
  const pruner = new WakeLoop({
    pass: async () => {
      const dead = await database.write(() => limitPending(settings.webhooks, retention.pending));
      if (dead > 0) logger.error({ dead }, 'too many events wait for a webhook: the oldest were given up');
      const surplus = await database.read(() => lastSurplusEvent(retention.kept));
      const prune = () => pruneEvents(Date.now() - retention.eventsMs, surplus);
      while (!pruner.closed && (await database.write(prune)));
      await database.write(forgetOld);
      return pruneEveryMs;
    },
    onFailure: (err) => logger.error({ err }, 'old events could not be removed'),
    backoffMs: 1_000,
    maxBackoffMs: pruneEveryMs,
  });
  return {
    ...receiver,
    source,
    webhooks,
    activities: { 'publish-event': createPublishEvent({ database, source, receiver, by: busCaller }) },
    parked: bus,
    start: async () => {
      await webhooks.start();
      if (publisher) {
        const outbox = startEventPublisher({ database, bus: publisher, logger });
        closing.push(() => outbox.close());
      }
      const subscription = await bus?.subscribe({ name: 'coordinator' }, async (event) => {
        await receiver.receive(event, busCaller);
      });
      closing.push(async () => subscription?.[Symbol.asyncDispose]());
      pruner.wake();
      closing.push(() => pruner.close());
    },
    close: async () => {
      await Promise.all([webhooks.close(), ...closing.map((close) => close())]);
      await publisher?.close();
    },
  };
}

/** The bus on NATS of a coordinator that has one. */
export const connectBus = async (natsUrl: string | undefined, logger: Logger): Promise<EventBus | undefined> =>
  natsUrl === undefined ? undefined : connectNatsBus({ natsUrl, logger });

function toPublisher({ pubsub }: EventSettings): EventPublisher | undefined {
  if (!pubsub) return undefined;
  const { endpoint, component, topic, apiToken } = pubsub;
  return createHttpPublisher({
    url: `${endpoint}/v1.0/publish/${component}/${topic}`,
    // Dapr takes one event a request.
    batches: false,
    // It answers 400 where it has no such component, too, which an operator puts right.
    refusals: [413],
    ...(apiToken === undefined ? {} : { headers: { 'dapr-api-token': apiToken } }),
  });
}

function* forgetOld(): Unit<void> {
  yield* forgetReceived(Date.now() - retention.idsMs);
  const known = query.selectFrom('runs').select('run_id');
  yield* run(eventQuery.deleteFrom('rule_runs').where('run_id', 'not in', known).compile());
}
