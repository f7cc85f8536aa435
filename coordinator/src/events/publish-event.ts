import { digest, MeshError } from '@daca-mesh/protocol';
import type { Database } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import type { LocalActivity } from '../activities/activities.ts';
import { hopsOf } from './apply-rules.ts';
import type { EventReceiver } from './event-receiver.ts';
import type { EventSource } from './event-source.ts';

const Input = z.strictObject({
  type: z.string(),
  subject: z.string().optional(),
  data: z.unknown().optional(),
});

/**
 * The activity by which workflows publish events. The coordinator's own rules apply to them, too, bus or no bus. A step
 * that is executed again publishes the same event, which then changes nothing.
 */
export const createPublishEvent =
  (deps: { database: Database; source: EventSource; receiver: EventReceiver; by: string }): LocalActivity =>
  async (input, { runId, key }) => {
    const parsed = Input.safeParse(input);
    if (!parsed.success) throw new MeshError('INVALID_ARGUMENT', `no event: ${z.prettifyError(parsed.error)}`);
    const id = digest([runId, key]).slice(0, 32);
    const event = await deps.database.write(function* () {
      const hops = yield* hopsOf(runId);
      return yield* deps.source.emit({ ...parsed.data, id, runid: runId, ...(hops > 0 && { hops }) });
    });
    const { status } = await deps.receiver.receiveOwn(event, deps.by);
    return { id, status };
  };
