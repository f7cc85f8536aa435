import { z } from 'zod';

/** What may be done with a question. The list is closed; any other choice is an `answer` whose schema has an enum. */
export const AnswerAction = z.enum(['approve', 'reject', 'edit', 'answer']);
export type AnswerAction = z.infer<typeof AnswerAction>;

/** Who is asked next, and when, while a question stays open. */
export const EscalationStep = z.strictObject({
  /** Milliseconds after the question was asked. */
  afterMs: z.number().int().positive(),
  assignee: z.string().min(1).max(200),
});
export type EscalationStep = z.infer<typeof EscalationStep>;

/** When those who are asked are reminded, while a question stays open. */
export const Reminder = z.strictObject({
  /** Milliseconds after the question was asked. */
  afterMs: z.number().int().positive(),
});
export type Reminder = z.infer<typeof Reminder>;

/** How many different people must approve, and who they may be. One reject is enough to reject. */
export const ApprovalRule = z.strictObject({
  required: z.number().int().min(1).max(20),
  /** People and roles; absent: everybody who may answer. */
  of: z.array(z.string().min(1).max(200)).min(1).max(50).optional(),
});
export type ApprovalRule = z.infer<typeof ApprovalRule>;

/** An approval that was given. */
export const Approval = z.object({
  by: z.string(),
  /** RFC 3339. */
  at: z.string(),
  reason: z.string().optional(),
});
export type Approval = z.infer<typeof Approval>;

/** The approvals a question needs, those it has, and how many are missing. */
export const Approvals = z.object({
  ...ApprovalRule.shape,
  given: z.array(Approval),
  missing: z.number().int().min(0),
});
export type Approvals = z.infer<typeof Approvals>;

/** A question as it travels: extension `question` of a status message, and its data part. */
export const Question = z.object({
  id: z.string().min(1).max(63),
  prompt: z.string().min(1).max(10_000),
  /** JSON Schema of `value` in the answer; absent where no value is taken. */
  schema: z.record(z.string(), z.unknown()).optional(),
  actions: z.array(AnswerAction).min(1),
  /** What is to be approved, shown to the one who decides. */
  arguments: z.unknown().optional(),
  /** SHA-256 of the canonical JSON of `arguments`. */
  argumentsHash: z.string().optional(),
  /** The agents the question came through, the asking one last. */
  path: z.array(z.string()).default([]),
  assignee: z.string().optional(),
  /** Where several people must approve. */
  approvals: Approvals.optional(),
  /** RFC 3339; absent where the question waits as long as it takes. */
  deadline: z.string().optional(),
});
export type Question = z.infer<typeof Question>;

/** An answer as a data part, an HTTP body, or parsed from text. */
export const Answer = z.strictObject({
  questionId: z.string().max(63).optional(),
  action: AnswerAction,
  value: z.unknown().optional(),
  reason: z.string().max(10_000).optional(),
});
export type Answer = z.infer<typeof Answer>;
