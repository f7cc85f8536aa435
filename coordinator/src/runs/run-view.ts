import type { RunRow, RunStatus } from '../store/schema.ts';
import { runStatus } from './run-rows.ts';

/** A run as the HTTP API and the command line show it. */
export interface Run {
  runId: string;
  /** The run's task at the coordinator's A2A interface: the same id. */
  taskId: string;
  workflow: string;
  version: number;
  status: RunStatus;
  progress?: unknown;
  input: unknown;
  output?: unknown;
  error?: unknown;
  createdAt: string;
  updatedAt: string;
  links: Record<string, string>;
}

/** The public shape of a run's row. */
export function toRun(row: RunRow): Run {
  const self = `/runs/${encodeURIComponent(row.run_id)}`;
  return {
    runId: row.run_id,
    taskId: row.run_id,
    workflow: row.workflow,
    version: row.version,
    status: runStatus(row),
    ...jsonField('progress', row.progress),
    input: JSON.parse(row.input),
    ...jsonField('output', row.output),
    ...jsonField('error', row.error),
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    links: {
      self,
      timeline: `${self}/timeline`,
      events: `${self}/events`,
      questions: `/questions?runId=${row.run_id}`,
    },
  };
}

const jsonField = (name: 'progress' | 'output' | 'error', json: string | null): Record<string, unknown> =>
  json === null ? {} : { [name]: JSON.parse(json) as unknown };
