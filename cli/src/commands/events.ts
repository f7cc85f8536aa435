import { type Command, Option } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { EventStatus } from '../events-api.ts';
import type { MeshApi } from '../mesh-api.ts';
import { note, print, printJson, table } from '../output.ts';
import { parseLimit } from './runs.ts';

interface EventsOptions extends CommonOptions {
  type?: string;
  status?: string;
  limit?: number;
  dead?: boolean;
}

/** `mesh events` and `mesh redrive`: what events came and went, and those that were given up. */
export function addEventsCommands(program: Command, context: Context): void {
  addMeshCommand(program, 'events', 'list events, newest first, and what became of them', [
    'npx mesh events',
    'npx mesh events --type DeviceUnhealthy',
    'npx mesh events --status refused',
    'npx mesh events --dead',
  ])
    .option('--type <type>', 'only events of this type')
    .addOption(new Option('--status <status>', 'only events that came to this').choices(EventStatus.options))
    .option('--limit <n>', 'at most so many, up to 500 (default: 50)', parseLimit)
    .addOption(
      new Option('--dead', 'what was given up: webhook deliveries, and parked events of the bus').conflicts([
        'type',
        'status',
      ]),
    )
    .action(async ({ json, dead, type, status, limit, ...location }: EventsOptions) => {
      const api = connectApi(context, location);
      if (dead) return showDead(api, limit, json);
      const page = await api.events.list({ type, status, limit });
      if (json) return printJson(page);
      const rows = page.events.map(({ at, direction, event, outcome }) => [
        new Date(at).toLocaleString(),
        direction,
        event.type,
        event.subject ?? '',
        outcome?.status ?? '',
        outcome?.runId ?? outcome?.error?.message ?? '',
      ]);
      for (const line of table(['AT', 'DIRECTION', 'TYPE', 'SUBJECT', 'BECAME', 'RUN OR REASON'], rows)) print(line);
      const { waiting, since, dropped } = page.outbox;
      if (since !== undefined) note(`${waiting} wait for the bus, since ${new Date(since).toLocaleString()}`);
      if (dropped > 0) note(`${dropped} were dropped, because too many waited for the bus`);
    });

  addMeshCommand(program, 'redrive', 'deliver again what was given up', [
    'npx mesh redrive evt_0b5c6f0e-3c0e-4d5b-9a57-6f2f0c1f9a11',
    'npx mesh redrive 7',
  ])
    .argument('<id>', 'of a delivery or a parked event, from "mesh events --dead"')
    .action(async (id: string, { json, ...location }: CommonOptions) => {
      const answer = await connectApi(context, location).events.redrive(id);
      if (json) return printJson(answer);
      print(`${id} is delivered again`);
    });
}

async function showDead(api: MeshApi, limit: number | undefined, json = false): Promise<void> {
  const { deliveries } = await api.events.deliveries({ status: 'dead', limit });
  const { parked } = await api.events.parked({ limit });
  if (json) return printJson({ deliveries, parked });
  const rows = [
    ...deliveries.map((each) => [each.deliveryId, each.url, String(each.tries), each.error ?? '']),
    ...parked.map((each) => [String(each.sequence), each.consumer, String(each.deliveries), each.reason]),
  ];
  for (const line of table(['ID', 'TO', 'TRIES', 'WHY'], rows)) print(line);
}
