import { isMeshError } from '@daca-mesh/protocol';
import type { Directory } from '../directory/directory.ts';
import type { PeerView } from '../directory/peer.ts';
import type { Reading } from '../workflows/health/reading.ts';
import type { RecentCalls } from './recent-calls.ts';
import { within } from './within.ts';

/** Fewer calls say nothing about a rate. */
const fewestCalls = 5;

/** Looks at every agent of the directory: whether and how fast its card is there, and how the last calls to it went. */
export const checkAgents = (directory: Directory, recent: ReadonlyMap<string, RecentCalls>): Promise<Reading[]> =>
  Promise.all(directory.list().map((view) => checkAgent(directory, view, recent.get(view.name))));

async function checkAgent(directory: Directory, view: PeerView, recent: RecentCalls | undefined): Promise<Reading> {
  const reading = { target: `agent:${view.name}`, kind: 'agent' as const, origin: view.url };
  const peer = directory.at(view.url);
  if (!peer) return { ...reading, problem: 'its card could not be fetched yet' };
  const startedAt = performance.now();
  try {
    await within(peer.client.refresh());
  } catch (error) {
    directory.reportDown(peer.origin);
    return { ...reading, problem: isMeshError(error) ? error.message : 'cannot be reached' };
  }
  const latencyMs = Math.round(performance.now() - startedAt);
  if (!recent || recent.calls < fewestCalls) return { ...reading, latencyMs };
  return { ...reading, latencyMs, errorRate: recent.failed / recent.calls };
}
