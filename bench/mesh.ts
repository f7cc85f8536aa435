/**
 * The whole mesh under load, every process its own: chain and fan-out, parked runs over a restart, and processes killed
 * in turn while their side effects are counted. `node bench/mesh.ts [scenario…] [--json] [--seconds N] [--clients 1,20]`
 * with the scenarios `chain`, `fan-out`, `parked` and `kills`; all of them by default.
 */
import { parseArgs } from 'node:util';
import { report } from './load.ts';
import { killInTurn } from './mesh/kill-in-turn.ts';
import { parkRuns } from './mesh/park-runs.ts';
import { runUnderLoad } from './mesh/run-under-load.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    seconds: { type: 'string', default: '8' },
    clients: { type: 'string', default: '1,20,100' },
    durability: { type: 'string', default: 'full,normal' },
    parked: { type: 'string', default: '200,10000' },
    kills: { type: 'string', default: '7' },
  },
});

const numbers = (text: string): number[] => text.split(',').map(Number);
const load = { seconds: Number(values.seconds), clients: numbers(values.clients) };

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  async chain() {
    report('chain of three agents', await runUnderLoad('chain', values.durability.split(','), load));
  },
  async 'fan-out'() {
    const durabilities = values.durability.split(',');
    report('20 calls at the same time: fan-out', await runUnderLoad('fan-out', durabilities, load));
    report('20 calls at the same time: device-scene', await runUnderLoad('scene', durabilities, load));
  },
  async parked() {
    report('parked runs over a restart of the coordinator', await parkRuns(numbers(values.parked)));
  },
  async kills() {
    report('kill -9 in turn under load', await killInTurn(Number(values.kills)));
  },
};

for (const name of positionals.length > 0 ? positionals : Object.keys(scenarios)) {
  const scenario = scenarios[name];
  if (scenario === undefined)
    throw new TypeError(`there is no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`);
  await scenario();
}
