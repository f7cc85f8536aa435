import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaprWorkflowClient, WorkflowRuntime } from '@dapr/dapr';
import { vi } from 'vitest';
import { startSidecar, type Sidecar, type SidecarOptions } from '../src/index.ts';

/** A folder that is gone after the test. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sidecar-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface World extends AsyncDisposable {
  readonly sidecar: Sidecar;
  readonly client: DaprWorkflowClient;
}

/** An ordinary SDK program (one worker, one client, nothing tuned) on a sidecar. */
export async function startWorld(
  options: SidecarOptions,
  register: (runtime: WorkflowRuntime) => void,
): Promise<World> {
  muteSdk();
  const sidecar = await startSidecar(options);
  const address = { daprHost: sidecar.host, daprPort: String(sidecar.port) };
  const runtime = new WorkflowRuntime(address);
  register(runtime);
  await runtime.start();
  const client = new DaprWorkflowClient(address);
  return {
    sidecar,
    client,
    async [Symbol.asyncDispose]() {
      // Each of the two sleeps for a second at its end.
      await Promise.all([runtime.stop(), client.stop()]);
      await sidecar.close();
    },
  };
}

/** The SDK writes several lines per work item to the console and offers no way to stop it. */
function muteSdk(): void {
  for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation(() => {});
  }
}
