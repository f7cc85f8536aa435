import { startSidecar, type SidecarOptions } from '@daca-mesh/sidecar';

/** The embedded engine alone: `sidecar-program.ts <options as JSON>` prints its address when it listens. */
const options: SidecarOptions = JSON.parse(process.argv[2] ?? '{}');
const sidecar = await startSidecar({ ...options, durability: 'normal' });
process.stdout.write(`${sidecar.address}\n`);
process.once('SIGTERM', () => void sidecar.close().then(() => process.exit(0)));
