import { isMeshError } from '@daca-mesh/protocol';
import type { Directory } from '../directory/directory.ts';
import type { PeerView } from '../directory/peer.ts';
import { maxNameChars, maxProblemChars, type Reading } from '../workflows/health/reading.ts';
import type { RecentCalls } from './recent-calls.ts';
import { within } from './within.ts';

/** Fewer calls say nothing about a rate. */
const fewestCalls = 5;

/** Looks at every agent of the directory: whether and how fast its card is there, and how the last calls to it went. */
export const checkAgents = (directory: Directory, recent: ReadonlyMap<string, RecentCalls>): Promise<Reading[]> => {
  const labels = labelsOf(directory.list());
  return Promise.all([...labels].map(([label, view]) => checkAgent(directory, label, view, recent.get(view.name))));
};

/** What agents are called. Agents give themselves their names: others of the same are told apart by where they are. */
function labelsOf(views: readonly PeerView[]): Map<string, PeerView> {
  const labels = new Map<string, PeerView>();
  for (const view of views) {
    const name = view.name.slice(0, maxNameChars);
    labels.set(labels.has(name) ? `${name} at ${view.url}` : name, view);
  }
  return labels;
}

async function checkAgent(
  directory: Directory,
  label: string,
  view: PeerView,
  recent: RecentCalls | undefined,
): Promise<Reading> {
  const reading = { target: `agent:${label}`, kind: 'agent' as const, origin: view.url };
  const peer = directory.at(view.url);
  if (!peer) return { ...reading, problem: 'its card could not be fetched yet' };
  const startedAt = performance.now();
  try {
    await within(peer.client.refresh());
  } catch (error) {
    directory.reportDown(peer.origin);
    return { ...reading, problem: isMeshError(error) ? error.message.slice(0, maxProblemChars) : 'cannot be reached' };
  }
  const latencyMs = Math.round(performance.now() - startedAt);
  if (!recent || recent.calls < fewestCalls) return { ...reading, latencyMs };
  return { ...reading, latencyMs, errorRate: recent.failed / recent.calls };
}
