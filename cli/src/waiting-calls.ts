import type { MeshApi, OpenCall } from './mesh-api.ts';
import { harmless, note, paint } from './output.ts';

/** What a run waits for without its agents being at work: nothing else of it shows, however long it takes. */
export function waitingLines(calls: readonly OpenCall[]): string[] {
  return calls.flatMap((call) => {
    const problem = problemOf(call);
    if (problem === undefined) return [];
    const who = harmless(call.agent ?? call.url ?? call.skill ?? 'an agent');
    const next = call.nextTryAt === undefined ? '' : `, next try at ${timeOfDay(call.nextTryAt)}`;
    const end = call.deadline === undefined ? '' : `, given up at ${timeOfDay(call.deadline)}`;
    return [`${paint('yellow', 'waits')} for ${who}: ${problem}${next}${end}`];
  });
}

function problemOf({ agentStatus, state, url, lastSeenAt, nextTryAt }: OpenCall): string | undefined {
  const where = url === undefined ? '' : ` at ${harmless(url)}`;
  if (agentStatus === 'down') {
    const since = lastSeenAt === undefined ? '' : ` since ${timeOfDay(lastSeenAt)}`;
    return `it has not answered${where}${since}`;
  }
  if (agentStatus === 'up') return nextTryAt === undefined ? undefined : 'it did not take the message yet';
  if (state !== 'working' && nextTryAt === undefined) return undefined;
  return url === undefined ? 'it is not known yet' : `no agent is known${where}`;
}

const timeOfDay = (time: string): string => new Date(time).toLocaleTimeString();

/** Tells on standard error what a run waits for while it is followed, each state of things once, until it is disposed. */
export function tellWaiting(api: MeshApi, runId: string, lookEveryMs = 5_000): Disposable {
  let told = '';
  const look = async (): Promise<void> => {
    const calls = await api.openCalls(runId);
    const lines = waitingLines(calls);
    const state = calls.map(({ callId, attempt, agentStatus }) => `${callId}:${attempt}:${agentStatus}`).join(' ');
    if (lines.length > 0 && state !== told) for (const line of lines) note(line);
    told = state;
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    // Who follows a run hears from elsewhere that the coordinator is away.
    void look()
      .catch(() => undefined)
      .finally(() => (isLooking = false));
  }, lookEveryMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
