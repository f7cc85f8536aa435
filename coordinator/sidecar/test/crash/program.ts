// Deep imports load a fifth of what the root does; this program is started many times.
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import runtimeModule from '@dapr/dapr/workflow/runtime/WorkflowRuntime.js';
import { startKillableSidecar } from './killable-sidecar.ts';
import { registerWorkflows, runWorkload } from './workload.ts';

/** Engine, worker and client in one process, killed together: `program.ts <folder> [<kill point>:<n>]`. */
const [folder = '.', killAt] = process.argv.slice(2);
const output = process.stdout;
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};

const sidecar = await startKillableSidecar({ folder, killAt });
const address = { daprHost: sidecar.host, daprPort: String(sidecar.port) };
const runtime = new runtimeModule.default(address);
const client = new clientModule.default(address);
registerWorkflows(runtime, folder, () => false);
await runtime.start();
output.write('running\n');
output.write(`${JSON.stringify(await runWorkload(folder, { attempt: (operation) => operation(client) }))}\n`);
process.exit(0);
