import { startKillableSidecar } from './killable-sidecar.ts';

/** The engine alone: `engine-process.ts <folder> <port> [<kill point>:<n>]`. Writes its port when it listens. */
const [folder = '.', port = '0', killAt] = process.argv.slice(2);
// The client that may be needed to resume instances talks to the console.
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};
const sidecar = await startKillableSidecar({ folder, port: Number(port), killAt });
process.stdout.write(`${sidecar.port}\n`);
