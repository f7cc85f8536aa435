import { z } from 'zod';

/** Every type of timeline entry. */
export const timelineTypes = [
  'run-started',
  'child-started',
  'child-completed',
  'child-failed',
  'child-canceled',
  'call-sent',
  'call-progress',
  'call-completed',
  'call-failed',
  'call-canceled',
  'question-asked',
  'question-reminded',
  'question-escalated',
  'question-approved',
  'question-answered',
  'question-expired',
  'question-withdrawn',
  'waiting',
  'event-received',
  'progress',
  'retry-scheduled',
  'compensation-started',
  'compensation-completed',
  'run-suspended',
  'run-resumed',
  'run-stalled',
  'warning',
  'cancel-requested',
  'run-completed',
  'run-failed',
  'run-canceled',
] as const;

/** One entry of a run's timeline; missing fields do not apply to its type. */
export const TimelineEntry = z.looseObject({
  seq: z.number().int(),
  at: z.string(),
  type: z.enum(timelineTypes),
  callId: z.string().optional(),
  agent: z.string().optional(),
  taskId: z.string().optional(),
  attempt: z.number().int().optional(),
  /** The child it is about, where it is not about the run itself. */
  child: z.looseObject({ path: z.string() }).optional(),
  data: z.unknown().optional(),
});
export type TimelineEntry = z.infer<typeof TimelineEntry>;

/** Whether this is the last entry a run can have. */
export const isFinal = ({ type }: TimelineEntry): boolean =>
  type === 'run-completed' || type === 'run-failed' || type === 'run-canceled';
