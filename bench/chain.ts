/**
 * A chain of three agents (extract-keywords, write, format) run by the coordinator, every process its own, everything
 * durable: `content-pipeline` started over HTTP and awaited by long poll. `node bench/chain.ts [--json] [--seconds N]`
 */
import { parseArgs } from 'node:util';
import { Mesh } from '@daca-mesh/test/mesh';
import { measure, report } from './load.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    seconds: { type: 'string', default: '8' },
    clients: { type: 'string', default: '1,20,100' },
  },
});

const text =
  'Durable execution keeps the state of a long-running program in a database, so that a crash of the machine costs a ' +
  'restart and not the work. Agents that speak a common protocol can then be chained without fear.';

async function runOnce(url: string): Promise<void> {
  const started = await fetch(`${url}/workflows/content-pipeline`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  if (started.status !== 202) throw new Error(`start answered ${started.status}`);
  let run: unknown = await started.json();
  while (statusOf(run) !== 'completed') {
    if (['failed', 'canceled'].includes(statusOf(run))) throw new Error(`run ended ${statusOf(run)}`);
    run = await (await fetch(`${url}/runs/${idOf(run)}?wait=30s`)).json();
  }
}

const field = (run: unknown, name: string): string =>
  typeof run === 'object' && run !== null && name in run ? String(Reflect.get(run, name)) : '';
const statusOf = (run: unknown): string => field(run, 'status');
const idOf = (run: unknown): string => field(run, 'runId');

const rows: object[] = [];
for (const durability of ['full', 'normal']) {
  await using mesh = await Mesh.start({
    peers: ['keyword-extractor', 'writer', 'formatter'],
    env: { all: { MESH_DURABILITY: durability } },
  });
  for (const clients of values.clients.split(',').map(Number)) {
    const result = await measure(() => runOnce(mesh.coordinator), {
      clients,
      seconds: Number(values.seconds),
      warmUpSeconds: 2,
    });
    rows.push({ durability, ...result });
  }
}
report('chain of three agents', rows);
