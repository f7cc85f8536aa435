/**
 * Start time and idle memory (proportional set size) of every process of the local mesh, read from
 * `/proc/<pid>/smaps_rollup` (Linux). `node bench/processes.ts [--json]`
 */
import { readFileSync } from 'node:fs';
import { Mesh } from '@daca-mesh/test/mesh';
import { report } from './load.ts';

const startedAt = performance.now();
await using mesh = await Mesh.start();
const readyMs = Math.round(performance.now() - startedAt);
await new Promise((wake) => setTimeout(wake, 3_000));

const rows = mesh.processes().map(({ name, pid, startMs }) => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const pssKiB = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? Number.NaN);
  return { process: name, pssMiB: Math.round(pssKiB / 102.4) / 10, startMs };
});
report(`${rows.length} processes ready in ${readyMs} ms`, rows);
