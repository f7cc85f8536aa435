import { startSidecar } from '@daca-mesh/sidecar';

/** A sidecar in a process of its own, to be killed: `sidecar-process.ts <file> <port>` prints its address when it listens. */
const [, , path = '', port = '0'] = process.argv;
const sidecar = await startSidecar({ path, port: Number(port), durability: 'full', maxUnackedPerStream: 5000 });
process.stdout.write(`${sidecar.address}\n`);
