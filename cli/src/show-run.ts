import type { Context } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { followRun } from './follow-run.ts';
import type { MeshApi, Run } from './mesh-api.ts';
import { print, printJson } from './output.ts';
import { runHeading, runSummary } from './run-summary.ts';
import { drawTimeline } from './timeline.ts';
import type { TimelineEntry } from './timeline-entry.ts';
import { tellWaiting, waitingLines } from './waiting-calls.ts';

/**
 * Prints a run with its timeline: as it stands, with what it waits for, or to its end. As JSON that is one value
 * `{ run, entries, calls }`, or with `follow` a line for each entry and the run as the last.
 */
export async function showRun(
  context: Context,
  api: MeshApi,
  runId: string,
  options: { follow: boolean; json: boolean },
): Promise<void> {
  const { follow, json } = options;
  const known = await api.run(runId);
  if (json && !follow) {
    return printJson({ run: known, entries: await api.timeline(runId), calls: await api.openCalls(runId) });
  }
  if (!json) for (const line of [...runHeading(known), '']) print(line);

  const drawing = drawTimeline();
  const entries: TimelineEntry[] = [];
  using cleanup = new DisposableStack();
  if (follow && !json) cleanup.use(tellWaiting(api, runId));
  for await (const entry of follow ? followRun(api, runId, context.signal) : await api.timeline(runId)) {
    entries.push(entry);
    if (json) printJson(entry);
    else print(drawing.line(entry));
  }
  const run = follow ? await api.run(runId) : known;
  if (json) printJson(run);
  else for (const line of runSummary(run, entries)) print(line);
  if (!json && !follow) for (const line of waitingLines(await api.openCalls(runId))) print(line);
  if (follow && !isCompleted(run)) context.exitCode = exitCodes.wrongOutcome;
}

const isCompleted = (run: Run): boolean => run.status === 'completed';
