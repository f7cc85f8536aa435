import type { TurnRequest } from './sdk-worker.ts';

/** From this many events on a history costs noticeably: each turn is sent, and replays, all of it. */
const longHistoryEvents = 1_000;

/** An instance whose history has become long. */
export interface LongHistory {
  instanceId: string;
  events: number;
}

/** Looks at every turn, and tells once of each instance (and each generation that it saw begin) whose history is long. */
export function watchHistories(onLong: (history: LongHistory) => void): (request: TurnRequest) => void {
  const told = new Set<string>();
  return (request) => {
    const instanceId = request.getInstanceid();
    const events = request.getPasteventsList().length;
    if (events < longHistoryEvents) told.delete(instanceId);
    else if (!told.has(instanceId)) {
      told.add(instanceId);
      onLong({ instanceId, events });
    }
  };
}
