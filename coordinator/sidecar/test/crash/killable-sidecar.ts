import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import { WorkflowStatus } from '../../src/gen/durable_task_pb.ts';
import { startSidecar, type KillPointListener, type Sidecar } from '../../src/index.ts';

export interface KillableSidecarOptions {
  readonly folder: string;
  readonly port?: number;
  /** `<kill point>:<n>`: the process dies when it reaches the point for the n-th time. */
  readonly killAt?: string | undefined;
}

/** A sidecar whose process dies at a named point, and leaves the file `killed-at` there. */
export async function startKillableSidecar({ folder, port = 0, killAt }: KillableSidecarOptions): Promise<Sidecar> {
  const path = join(folder, 'engine.db');
  const sidecar = await startSidecar({
    path,
    port,
    ...(killAt !== undefined && { killPoint: killer(folder, killAt) }),
  });
  resumeStalled(path, sidecar);
  return sidecar;
}

/** Kills that come faster than any progress make the engine suspect an innocent turn, until somebody resumes it. */
function resumeStalled(path: string, sidecar: Sidecar): void {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT id FROM instances WHERE status = ?').all(WorkflowStatus.STALLED);
  if (rows.length === 0) return;
  const client = new clientModule.default({ daprHost: sidecar.host, daprPort: String(sidecar.port) });
  // One that was suspended besides is only resumed when there is a worker. Whatever is not resumed now, the next life does.
  for (const row of rows) client.resumeWorkflow(String(row['id'])).catch(() => {});
}

function killer(folder: string, killAt: string): KillPointListener {
  const end = killAt.lastIndexOf(':');
  const point = killAt.slice(0, end);
  let remaining = Number(killAt.slice(end + 1));
  return (reached) => {
    if (reached !== point) return;
    remaining -= 1;
    if (remaining > 0) return;
    writeFileSync(join(folder, 'killed-at'), point);
    process.kill(process.pid, 'SIGKILL');
  };
}
