import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { Engine } from './engine.ts';

/** Instances per commit: other work gets its turn between two of them. */
const BATCH = 200;

/** How long instances are kept after their end, in milliseconds. A status of its own beats `anyTerminal`; none: for ever. */
export interface RetentionPolicy {
  readonly anyTerminal?: number | undefined;
  readonly completed?: number | undefined;
  readonly failed?: number | undefined;
  readonly terminated?: number | undefined;
}

/** Deletes instances, not their children, whose time is over at `now`; the number of instances deleted. */
export async function purgeExpired(engine: Engine, policy: RetentionPolicy, now: number): Promise<number> {
  const { anyTerminal, completed = anyTerminal, failed = anyTerminal, terminated = anyTerminal } = policy;
  const kept: [WorkflowStatus, number | undefined][] = [
    [WorkflowStatus.COMPLETED, completed],
    [WorkflowStatus.FAILED, failed],
    [WorkflowStatus.TERMINATED, terminated],
    [WorkflowStatus.CANCELED, anyTerminal],
  ];
  let purged = 0;
  for (const [status, keptMs] of kept) {
    if (keptMs !== undefined) purged += await purgeEndedBefore(engine, status, now - keptMs);
  }
  return purged;
}

async function purgeEndedBefore(engine: Engine, status: WorkflowStatus, time: number): Promise<number> {
  const { instances } = engine.store;
  let purged = 0;
  for (;;) {
    const count = await engine.commit(() => {
      const runs = instances.endedBefore(status, time, BATCH);
      for (const run of runs) instances.delete(run);
      return runs.length;
    });
    purged += count;
    if (count < BATCH) return purged;
  }
}
