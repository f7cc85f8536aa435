import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDifferenceTable } from './difference-table.ts';

const path = join(import.meta.dirname, '../../../docs/engine.md');
writeFileSync(path, withDifferenceTable(readFileSync(path, 'utf8')));
