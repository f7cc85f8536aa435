import { type SkillMap, skillSchemas } from '@daca-mesh/agent-cards';
import { taskResult } from '@daca-mesh/protocol/client';
import type { Directory } from '../directory/directory.ts';
import type { Peer } from '../directory/peer.ts';
import { type CheckResult, maxNameChars, maxProblemChars, type Reading } from '../workflows/health/reading.ts';
import { within } from './within.ts';

/** The skills that list devices. */
const lists = { 'list-lights': 'light', 'list-thermostats': 'thermostat', 'list-locks': 'lock' } as const;
type ListSkill = keyof typeof lists;

// The keys of the object above.
const listSkills = Object.keys(lists) as ListSkill[];

type Device = SkillMap[ListSkill]['output']['devices'][number];

/** More of them make no other alert. */
const limit = 50;

/** Asks each agent of devices for those that are not well. */
export async function checkDevices(directory: Directory): Promise<CheckResult> {
  const agents = directory.list().map(({ url }) => ({ url, peer: directory.at(url) }));
  const peers = agents.flatMap(({ peer }) => peer ?? []);
  // What devices an agent has is not known either before its card was fetched.
  const unread = agents.flatMap(({ url, peer }) => (peer ? [] : url));
  const result: CheckResult = { readings: [], unread };
  await Promise.all(
    peers.flatMap((peer) =>
      listSkills
        .filter((skill) => peer.has(skill))
        .map(async (skill) => {
          try {
            const { readings, isPart } = await listUnwell(peer, skill);
            result.readings.push(...readings);
            if (isPart) result.unread.push(peer.name);
          } catch {
            // The agent itself is watched too; of its devices nothing is known now.
            result.unread.push(peer.name);
          }
        }),
    ),
  );
  return result;
}

/** The first devices that are not well; `isPart` where there are more. */
async function listUnwell(peer: Peer, skill: ListSkill): Promise<{ readings: Reading[]; isPart: boolean }> {
  const found = await Promise.all(
    (['failed', 'degraded'] as const).map(async (health) => {
      const task = await within(peer.client.send({ skill, input: { health, limit }, blocking: true }));
      return skillSchemas[skill].output.parse(taskResult(task));
    }),
  );
  const devices = found.flatMap((list): Pick<Device, 'deviceId' | 'health' | 'faults'>[] => list.devices);
  const readings = devices.map(({ deviceId, health, faults }): Reading => ({
    target: `device:${peer.name.slice(0, maxNameChars)}/${deviceId}`,
    kind: 'device',
    problem: [health, faults.map(({ type }) => type).join(', ')].filter(Boolean).join(': ').slice(0, maxProblemChars),
    device: { kind: lists[skill], deviceId, agent: peer.name, health },
    origin: peer.origin,
  }));
  return { readings, isPart: found.some(({ nextCursor }) => nextCursor !== undefined) };
}
