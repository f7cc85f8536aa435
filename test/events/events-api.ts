import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloudEvent } from '@daca-mesh/protocol/events';
import { z } from 'zod';
import type { Mesh } from '../mesh/mesh.ts';

/** What tests of events read from the coordinator's HTTP API. */

const StoredEvents = z.object({
  events: z.array(
    z.object({
      event: CloudEvent,
      outcome: z.object({ status: z.string(), runId: z.string().optional() }).optional(),
    }),
  ),
});
const Runs = z.object({ runs: z.array(z.object({ runId: z.string(), input: z.unknown() })) });

export async function getJson(url: string, token?: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** The newest events that came. */
export const storedEvents = async (mesh: Mesh, token?: string) =>
  StoredEvents.parse(await getJson(`${mesh.coordinator}/events?direction=in&limit=500`, token)).events;

/** The newest runs of the workflow that the rules of these tests start. */
export const runsOf = async (mesh: Mesh, token?: string) =>
  Runs.parse(await getJson(`${mesh.coordinator}/runs?workflow=content-pipeline&limit=100`, token)).runs;

/** A rule that starts a run for each text that is received. */
export async function writeRules(folder: string): Promise<string> {
  const path = join(folder, 'rules.json');
  const start = { workflow: 'content-pipeline', input: { text: { $: '/data/text' } } };
  await writeFile(path, JSON.stringify({ rules: [{ name: 'texts', when: { type: 'TextReceived' }, start }] }));
  return path;
}
