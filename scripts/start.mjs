// `npm start`: installs what is missing and starts the local mesh with one demonstration. Arguments go to `mesh up`.
import { join } from 'node:path';
import { root, runInWorkspace } from './bootstrap.mjs';

process.exitCode = await runInWorkspace([join(root, 'cli/bin/mesh.mjs'), 'up', '--demo', ...process.argv.slice(2)]);
