import { startSidecar } from '../../src/index.ts';

/** A sidecar in a process whose limits or rights the test has cut: `limited-process.ts <database>`. Writes port or code. */
const [path = ''] = process.argv.slice(2);
const write = (line: string): boolean => process.stdout.write(`${line}\n`);
// Without a handler, a write beyond the limit on file sizes ends the process.
process.on('SIGXFSZ', () => {});
try {
  const sidecar = await startSidecar({ path, onFailure: ({ code }) => write(code) });
  write(String(sidecar.port));
} catch (error) {
  write(error instanceof Error && 'code' in error ? String(error.code) : String(error));
  process.exit(1);
}
