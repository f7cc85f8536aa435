/** A client of the coordinator's HTTP API that waits for the end of runs by long poll, also over restarts. */

/** A run, as far as the benchmarks look at it. */
export interface Run {
  runId: string;
  status: string;
}

/** Runs a workflow to its end. @throws Error where it does not complete. */
export async function runToEnd(url: string, workflow: string, input: unknown): Promise<void> {
  const started = await fetch(`${url}/workflows/${workflow}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(input),
  });
  if (started.status !== 202) throw new Error(`start answered ${started.status}`);
  const { status, runId } = await endOf(() => url, (await readRun(started)).runId);
  if (status !== 'completed') throw new Error(`run ${runId} ended ${status}`);
}

/** Waits for the end of a run, while the coordinator may come and go. */
export async function endOf(url: () => string, runId: string): Promise<Run> {
  for (;;) {
    try {
      const run = await readRun(await fetch(`${url()}/runs/${runId}?wait=30s`));
      if (['completed', 'failed', 'canceled', 'stalled'].includes(run.status)) return run;
    } catch {
      // It is being started again.
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
}

async function readRun(response: Response): Promise<Run> {
  const body: unknown = await response.json();
  if (typeof body === 'object' && body !== null && 'runId' in body && 'status' in body) {
    return { runId: String(body.runId), status: String(body.status) };
  }
  throw new Error(`${response.url} answered ${response.status}: ${JSON.stringify(body)}`);
}
