/** A client of the coordinator's HTTP API that starts a run and waits for its end by long poll. */

interface Run {
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
  let run = await readRun(started);
  while (run.status !== 'completed') {
    if (['failed', 'canceled', 'stalled'].includes(run.status)) throw new Error(`run ${run.runId} ended ${run.status}`);
    run = await readRun(await fetch(`${url}/runs/${run.runId}?wait=30s`));
  }
}

async function readRun(response: Response): Promise<Run> {
  const body: unknown = await response.json();
  if (typeof body === 'object' && body !== null && 'runId' in body && 'status' in body) {
    return { runId: String(body.runId), status: String(body.status) };
  }
  throw new Error(`${response.url} answered ${response.status}: ${JSON.stringify(body)}`);
}
