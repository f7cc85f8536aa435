import { isMeshError, newId } from '@daca-mesh/protocol';
import {
  agentSource,
  type CloudEvent,
  createEvent,
  type EventBus,
  type EventFields,
  putEvent,
} from '@daca-mesh/protocol/events';
import { afterCommit, run, type Unit } from '@daca-mesh/protocol/server';
import type { QuestionEvent, QuestionListener } from '../inbox/question-events.ts';
import type { RunEndListener } from '../runs/unit-deps.ts';
import { Signal } from '../store/signals.ts';
import type { EventSettings } from './event-settings.ts';
import { eventQuery } from './event-tables.ts';
import { storeEvent } from './stored-events.ts';

/**
 * The events the coordinator publishes: each is written in the commit of what it tells about, together with a row for
 * every sink it has to reach. The same id again changes nothing.
 */

export interface EventSourceOptions {
  /** The name on the coordinator's card. */
  name: string;
  /** Whether there is a bus that events go to. */
  toBus: boolean;
  /** Where each event goes, beside the bus. */
  webhooks: readonly string[];
}

/** Where events go by the settings. */
export const sinksOf = (settings: EventSettings, bus: EventBus | undefined): Omit<EventSourceOptions, 'name'> => ({
  toBus: bus !== undefined || settings.pubsub !== undefined,
  webhooks: settings.webhooks,
});

type Fields = Omit<EventFields, 'source'>;

export interface EventSource {
  readonly source: string;
  /** There is something to deliver. */
  readonly put: Signal;
  /** Publishes an event, once for each id. @returns the event. @throws MeshError `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE`. */
  emit(fields: Fields): Unit<CloudEvent>;
  readonly onQuestion: QuestionListener;
  readonly onRunEnd: RunEndListener;
}

/** Beyond this an output or an argument is left out: whoever needs it asks for the run. */
const maxInlineBytes = 16 * 1024;

export function createEventSource({ name, toBus, webhooks }: EventSourceOptions): EventSource {
  const source = agentSource(name);
  const put = new Signal();
  // EventFields has an index signature, which loses its named members under Omit.
  const toEvent = (fields: Fields): CloudEvent => createEvent({ ...fields, source } as EventFields);
  /** What a run tells of itself must not keep it from going on, whatever it is: then the event comes without it. */
  const toEventOrBrief = (fields: Fields, data: () => object): CloudEvent => {
    try {
      return toEvent(fields);
    } catch (error) {
      if (!isMeshError(error)) throw error;
      return toEvent({ ...fields, data: { ...data(), truncated: true } });
    }
  };
  function* publish(event: CloudEvent): Unit<CloudEvent> {
    const seq = yield* storeEvent(event, 'out');
    if (seq === undefined) return event;
    if (toBus) yield* putEvent(event);
    yield* addDeliveries(seq, webhooks);
    yield* afterCommit(() => put.emit());
    return event;
  }
  return {
    source,
    put,
    emit: (fields) => publish(toEvent(fields)),
    *onQuestion(event) {
      yield* publish(toEventOrBrief(fromQuestion(event), () => brief(event.question)));
    },
    *onRunEnd(row, end) {
      yield* publish(toEventOrBrief(fromRunEnd(row, end), () => runFacts(row, end)));
    },
  };
}

/** A row for every webhook. */
function* addDeliveries(seq: number, webhooks: readonly string[]): Unit<void> {
  const now = Date.now();
  for (const url of webhooks) {
    // By it a receiver tells repetitions: no other mesh, and none that begins anew, may have the same.
    const row = { delivery_id: `evt_${newId()}`, event_seq: seq, url, created_at: now, next_at: now };
    yield* run(
      eventQuery
        .insertInto('event_deliveries')
        .values({ ...row, status: 'pending', tries: 0, error: null })
        .compile(),
    );
  }
}

const questionTypes: Record<QuestionEvent['type'], string> = {
  asked: 'HumanReviewRequired',
  reminded: 'HumanReviewReminded',
  escalated: 'HumanReviewEscalated',
  approved: 'HumanReviewApproved',
  answered: 'HumanReviewClosed',
  expired: 'HumanReviewClosed',
  withdrawn: 'HumanReviewClosed',
};

function fromQuestion(event: QuestionEvent): Fields {
  const { question } = event;
  const { id: questionId, arguments: _arguments, ...shown } = question;
  return {
    type: questionTypes[event.type],
    subject: questionId,
    data: {
      ...(isSmall(question)
        ? { questionId, ...shown, ...('arguments' in question ? { arguments: question.arguments } : {}) }
        : { ...brief(question), truncated: true }),
      ...('number' in event ? { number: event.number, total: event.total } : {}),
      ...('approval' in event ? { approval: event.approval } : {}),
      ...('from' in event ? { from: event.from } : {}),
      ...('reason' in event ? { reason: event.reason } : {}),
    },
    runid: question.runId,
  };
}

/** What fits whatever the question carries. */
const brief = ({ id, runId, prompt, status, assignee }: QuestionEvent['question']): object => ({
  questionId: id,
  runId,
  prompt: prompt.slice(0, 4_000),
  status,
  ...(assignee === undefined ? {} : { assignee }),
});

const endTypes = { completed: 'RunCompleted', failed: 'RunFailed', canceled: 'RunCanceled' } as const;

function fromRunEnd(...[row, end]: Parameters<RunEndListener>): Fields {
  return {
    id: `${row.run_id}.${end.status}`,
    type: endTypes[end.status],
    subject: row.run_id,
    data: { ...runFacts(row, end), ...endData(end) },
    runid: row.run_id,
    workflow: row.workflow,
  };
}

const runFacts = (...[row, end]: Parameters<RunEndListener>): object => ({
  runId: row.run_id,
  workflow: row.workflow,
  status: end.status,
});

function endData(end: Parameters<RunEndListener>[1]): object {
  switch (end.status) {
    case 'completed':
      return isSmall(end.output) ? { output: end.output ?? null } : { truncated: true };
    case 'failed':
      return isSmall(end.failure) ? { error: end.failure } : { error: { code: end.failure.code }, truncated: true };
    case 'canceled':
      return end.reason === undefined ? {} : { reason: end.reason.slice(0, 4_000) };
    default:
      return end satisfies never;
  }
}

const isSmall = (value: unknown): boolean => Buffer.byteLength(JSON.stringify(value ?? null)) <= maxInlineBytes;
