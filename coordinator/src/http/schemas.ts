import { Answer, Approvals, EscalationStep, Question, Reminder } from '@daca-mesh/protocol';
import { z } from 'zod';
import { timelineTypes } from '../store/schema.ts';

/** The shapes of the HTTP API. What the OpenAPI document publishes and the routes check is made of these. */

const time = z.iso.datetime();
const json = z.unknown();

export const RunStatus = z
  .enum(['pending', 'running', 'waiting', 'suspended', 'stalled', 'canceling', 'completed', 'failed', 'canceled'])
  .meta({
    id: 'RunStatus',
    description: 'waiting: a question is open; stalled: needs an operator or a newer worker',
  });

const Progress = z
  .object({
    message: z.string(),
    percent: z.number().optional().describe('Of the whole'),
    step: z.string().optional().describe('The step it is at'),
  })
  .meta({ id: 'Progress' });

export const Run = z
  .object({
    runId: z.string(),
    taskId: z
      .string()
      .describe("The run's task at the coordinator's A2A interface: equal to runId, or to a child's root"),
    child: z
      .object({ root: z.string(), parent: z.string(), path: z.string() })
      .optional()
      .describe('Where a child stands: what happens in it shows on its root'),
    workflow: z.string(),
    version: z.int(),
    status: RunStatus,
    progress: Progress.optional(),
    input: json,
    output: json.optional(),
    error: json.optional(),
    stalled: z
      .object({ reason: z.string(), message: z.string() })
      .optional()
      .describe(
        'Why it is stalled, while it is: NON_DETERMINISM, WORKFLOW_NOT_FOUND, PAYLOAD_MISSING, QUARANTINED or ENGINE',
      ),
    createdAt: time,
    updatedAt: time,
    links: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

const ChildRef = z.object({ runId: z.string(), path: z.string() }).meta({ id: 'ChildRef' });

export const TimelineEntry = z
  .object({
    seq: z.int().describe('Also the id of the server-sent event'),
    at: time,
    type: z.enum(timelineTypes),
    callId: z.string().optional(),
    agent: z.string().optional(),
    taskId: z.string().optional(),
    attempt: z.int().optional(),
    child: ChildRef.optional().describe('The child it is about, where it is not about the run itself'),
    data: json.optional(),
  })
  .meta({ id: 'TimelineEntry' });

const OpenCall = z
  .object({
    callId: z.string(),
    attempt: z.int(),
    runId: z.string().describe('The run itself, or a child of it'),
    state: z
      .enum(['unsent', 'sending', 'working'])
      .describe('unsent: the agent has not got it; sending: it may have; working: it has a task for it'),
    skill: z.string().optional(),
    agent: z.string().optional(),
    url: z.string().optional().describe("The agent's address"),
    taskId: z.string().optional().describe('At the agent'),
    agentStatus: z.enum(['up', 'down', 'unknown']).describe('unknown: no agent is known yet that could take it'),
    lastSeenAt: time.optional().describe('When the agent answered last'),
    createdAt: time,
    nextTryAt: time.optional().describe('When it is sent again; at once when an agent that is down answers'),
    deadline: time.optional().describe('When it is given up'),
  })
  .meta({ id: 'OpenCall' });
export type OpenCall = z.infer<typeof OpenCall>;

const GivenAnswer = Answer.omit({ questionId: true });

export const AnswerBody = GivenAnswer.extend({
  by: z.string().min(1).max(200).optional().describe('Who decided; taken from callers of this machine only'),
}).meta({ id: 'Answer' });

export const QuestionStatus = z.enum(['open', 'answered', 'expired', 'withdrawn']).meta({ id: 'QuestionStatus' });

export const InboxQuestion = z
  .object({
    id: z.string(),
    runId: z.string(),
    child: ChildRef.optional().describe('The child that asks, where it is not the run itself'),
    prompt: z.string(),
    schema: z.record(z.string(), json).optional().describe('JSON Schema of `value` in the answer'),
    actions: Question.shape.actions,
    arguments: json.optional(),
    argumentsHash: z.string().optional().describe('SHA-256 of the canonical JSON of `arguments`'),
    path: z.array(z.string()).describe('The agents it came through, the asking one last'),
    assignee: z.string().optional().describe('Who is asked now'),
    mayAnswer: z.array(z.string()).optional().describe('People and roles; absent where everybody may answer'),
    approvals: Approvals.optional().describe('Where several people must approve: how many, and who has'),
    deadline: time.optional(),
    onDeadline: GivenAnswer.optional().describe('The answer taken at the deadline'),
    reminders: z.array(Reminder).optional(),
    reminded: z.int().optional().describe('How many of the reminders have been given'),
    escalation: z.array(EscalationStep).optional(),
    status: QuestionStatus,
    answer: GivenAnswer.optional(),
    answeredBy: z.string().optional(),
    askedAt: time,
    closedAt: time.optional(),
    deliveredAt: time.optional().describe('When the answer reached the agent that asked'),
  })
  .meta({ id: 'Question' });

const Workflow = z
  .object({
    name: z.string(),
    version: z.int(),
    title: z.string().optional(),
    description: z.string(),
    input: z.record(z.string(), json).describe('JSON Schema'),
    output: z.record(z.string(), json).describe('JSON Schema'),
    links: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Workflow' });

const Peer = z
  .looseObject({
    name: z.string(),
    url: z.string(),
    status: z.string(),
    skills: z.array(z.looseObject({ id: z.string() })),
  })
  .meta({ id: 'Peer' });

const nextCursor = z.string().nullable().describe('The cursor of the next page; null at the end');

export const WorkflowList = z.object({ workflows: z.array(Workflow) }).meta({ id: 'WorkflowList' });
export const ArtifactList = z
  .object({
    artifacts: z.array(
      z.object({
        artifactId: z.string(),
        name: z.string().describe('The name of the file'),
        mediaType: z.string(),
        bytes: z.int(),
        links: z.record(z.string(), z.string()),
      }),
    ),
  })
  .meta({ id: 'ArtifactList' });
export const RunPage = z.object({ runs: z.array(Run), nextCursor }).meta({ id: 'RunPage' });
export const TimelinePage = z.object({ entries: z.array(TimelineEntry), nextCursor }).meta({ id: 'TimelinePage' });
export const QuestionPage = z.object({ questions: z.array(InboxQuestion), nextCursor }).meta({ id: 'QuestionPage' });
export const OpenCallList = z.object({ calls: z.array(OpenCall) }).meta({ id: 'OpenCallList' });
export const PeerList = z.object({ peers: z.array(Peer) }).meta({ id: 'PeerList' });

/** `limit` and `cursor` of every list. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(500).optional(),
};

/** A wait of up to a minute: `30s`, `500ms`, or milliseconds; in milliseconds. */
export const Wait = z
  .string()
  .regex(/^\d{1,6}(ms|s)?$/, 'must be a duration such as 30s')
  .transform((text) =>
    Math.min(Number.parseInt(text, 10) * (text.endsWith('s') && !text.endsWith('ms') ? 1_000 : 1), 60_000),
  );

/** The id of something, as it stands in a path; what does not exist is not found, whatever it looks like. */
export const PathId = z.string().min(1).max(200);

export const IdempotencyKey = z.string().min(1).max(255);
