import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos, RequestError } from '@nats-io/transport-node';
import { eventStream, eventSubjects, parkedStream, parkedSubjects } from './nats-names.ts';

const dayMs = 24 * 60 * 60 * 1_000;
/** Within this time a repeated publication is dropped by the server; later ones by whoever handles the event. */
const duplicateWindowMs = 10 * 60 * 1_000;

type Stream = Partial<StreamConfig> & { name: string };

const common = {
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  duplicate_window: nanos(duplicateWindowMs),
};

const streams: readonly Stream[] = [
  {
    ...common,
    name: eventStream,
    subjects: eventSubjects,
    max_age: nanos(7 * dayMs),
    max_bytes: 1024 ** 3,
    // A full stream refuses, so that events wait in the outboxes of those who publish; dropping the oldest would lose them.
    discard: DiscardPolicy.New,
  },
  {
    ...common,
    name: parkedStream,
    subjects: [parkedSubjects],
    max_age: nanos(30 * dayMs),
    max_bytes: 256 * 1024 ** 2,
    discard: DiscardPolicy.Old,
    // Lets the list of parked events skip those that were removed.
    allow_direct: true,
  },
];

/** Creates the streams that are missing; those that exist stay as their operator made them. */
export async function ensureStreams(jsm: JetStreamManager): Promise<void> {
  const existing = new Set<string>();
  for await (const name of jsm.streams.names()) existing.add(name);
  for (const stream of streams) {
    // Adding the same stream twice is no error, so that agents which start together do not disturb each other.
    if (!existing.has(stream.name)) await jsm.streams.add(stream);
  }
}

/** Does what needs the streams; where they are missing (a server that is new, or lost its disk), once more with them. */
export async function withStreams<T>(jsm: JetStreamManager, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
    await ensureStreams(jsm);
    return work();
  }
}

/** Nobody answers on the subject: no stream takes it, or JetStream is not ready. */
export const isNobodyThere = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof RequestError && error.cause.isNoResponders();
