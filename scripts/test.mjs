// `npm test`: installs what is missing and runs the vitest suites. Arguments go to vitest.
import { join } from 'node:path';
import { root, runInWorkspace } from './bootstrap.mjs';

process.exitCode = await runInWorkspace([
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--root',
  root,
  ...process.argv.slice(2),
]);
