import { digest } from '@daca-mesh/protocol';
import type { RunRow, RunStatus } from '../store/schema.ts';
import { rootOf, runStatus } from './run-rows.ts';
import type { RunStall } from './stalled-runs.ts';

/** How far a run is: what it told last. */
interface RunProgress {
  message: string;
  /** Of the whole. */
  percent?: number;
  /** The step it is at. */
  step?: string;
}

/** A run as the HTTP API and the command line show it. */
export interface Run {
  runId: string;
  /** The run's task at the coordinator's A2A interface: the same id, or, for a child, its root's. */
  taskId: string;
  /** Where a child stands: its root, its parent, and the path below the root. */
  child?: { root: string; parent: string; path: string };
  workflow: string;
  version: number;
  status: RunStatus;
  progress?: RunProgress;
  input: unknown;
  output?: unknown;
  error?: unknown;
  /** Why it is stalled, while it is. */
  stalled?: RunStall;
  createdAt: string;
  updatedAt: string;
  links: Record<string, string>;
}

/**
 * What changes with whatever a client waits for: the status, with which output and error come, the progress, a stall. An
 * entity tag, weak because other fields may differ.
 */
export const runTag = ({ status, progress, stalled }: Pick<Run, 'status' | 'progress' | 'stalled'>): string =>
  `W/"${digest([status, progress ?? null, stalled ?? null]).slice(0, 22)}"`;

/** The tag of a run's row, for those who ask often. */
export const rowTag = (row: RunRow): string =>
  runTag({ status: runStatus(row), ...jsonField('progress', row.progress), ...stallOf(row) });

/** The public shape of a run's row. */
export function toRun(row: RunRow): Run {
  const self = `/runs/${encodeURIComponent(row.run_id)}`;
  const root = rootOf(row);
  return {
    runId: row.run_id,
    taskId: root,
    ...(row.parent_run_id === null ? {} : { child: { root, parent: row.parent_run_id, path: row.path ?? '' } }),
    workflow: row.workflow,
    version: row.version,
    status: runStatus(row),
    ...jsonField('progress', row.progress),
    input: JSON.parse(row.input),
    ...jsonField('output', row.output),
    ...jsonField('error', row.error),
    ...stallOf(row),
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    links: {
      self,
      timeline: `${self}/timeline`,
      calls: `${self}/calls`,
      events: `${self}/events`,
      artifacts: `${self}/artifacts`,
      questions: `/questions?runId=${row.run_id}`,
    },
  };
}

const jsonField = (name: 'progress' | 'output' | 'error', json: string | null): Record<string, unknown> =>
  json === null ? {} : { [name]: JSON.parse(json) as unknown };

function stallOf({ status, stall }: RunRow): { stalled?: RunStall } {
  if (status !== 'stalled' || stall === null) return {};
  // Written by stallRun.
  return { stalled: JSON.parse(stall) as RunStall };
}
