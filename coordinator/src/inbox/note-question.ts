import type { Unit } from '@daca-mesh/protocol/server';
import type { QuestionRow } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import { toQuestion } from './inbox-question.ts';
import type { QuestionEvent } from './question-events.ts';
import type { InboxDeps } from './show-questions.ts';

/** Notes what happened to a question on the timeline of its run, and tells the listener. */
export function* noteQuestion(deps: InboxDeps, row: QuestionRow, event: QuestionEvent, data: unknown): Unit<void> {
  const agent = row.call_id === null ? undefined : toQuestion(row).path.at(-1);
  yield* appendTimeline(deps.signals, row.run_id, {
    type: `question-${event.type}`,
    data,
    ...(row.call_id === null ? {} : { callId: row.call_id }),
    ...(row.attempt === null ? {} : { attempt: row.attempt }),
    ...(agent === undefined ? {} : { agent }),
  });
  if (deps.onQuestion) yield* deps.onQuestion(event);
}
