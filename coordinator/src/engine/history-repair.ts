import { messages } from './sdk.ts';
import type { TurnRequest } from './sdk-worker.ts';

type HistoryEvent = ReturnType<TurnRequest['getPasteventsList']>[number];

/**
 * Takes out of a turn's history what the SDK cannot replay:
 *
 * - A second suspend of a suspended instance. The SDK buffers it, replays it at the resume, is suspended again while it
 *   walks through the buffer, and appends to what it walks through: for ever, in one stretch, again after each restart.
 * - A payload that is not JSON. Whoever may raise events by Dapr's API could fail a run with it, even one that had just
 *   completed or continued as new. It becomes a string.
 */
export function repairHistory(request: TurnRequest): void {
  const isReplayable = suspendFilter();
  const past = request.getPasteventsList();
  const fresh = request.getNeweventsList();
  const kept = past.filter(isReplayable);
  const keptFresh = fresh.filter(isReplayable);
  if (kept.length < past.length) request.setPasteventsList(kept);
  if (keptFresh.length < fresh.length) request.setNeweventsList(keptFresh);
  for (const event of [...kept, ...keptFresh]) makeReadable(event);
}

function suspendFilter(): (event: HistoryEvent) => boolean {
  const { EXECUTIONSUSPENDED, EXECUTIONRESUMED } = messages.HistoryEvent.EventtypeCase;
  let isSuspended = false;
  return (event) => {
    const type = event.getEventtypeCase();
    if (type === EXECUTIONSUSPENDED) {
      if (isSuspended) return false;
      isSuspended = true;
    } else if (type === EXECUTIONRESUMED) isSuspended = false;
    return true;
  };
}

function makeReadable(event: HistoryEvent): void {
  const payload = (event.getEventraised() ?? event.getExecutionstarted())?.getInput();
  const text = payload?.getValue();
  if (payload && text !== undefined && text !== '' && !isJson(text)) payload.setValue(JSON.stringify(text));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
