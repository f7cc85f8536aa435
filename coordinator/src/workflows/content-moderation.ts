import { savePost } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { assessRisk } from './assess-risk.ts';

const { postId: PostId, text: PostText, author: Author } = savePost.input.shape;

const Scores = z.strictObject({
  toxicity: z.number().nullable(),
  spam: z.number().nullable(),
  violence: z.number().nullable(),
});
type Scores = z.infer<typeof Scores>;

const Input = z
  .strictObject({
    text: PostText,
    /** Made up where it is missing. */
    postId: PostId.optional(),
    author: Author,
    /** From this risk on a person decides. */
    threshold: z.number().min(0).max(1).default(0.7),
    /** How long that person has: after half of it the question goes to the lead moderator, at its end the post is rejected. */
    deadlineMs: z
      .int()
      .min(1000)
      .default(24 * 60 * 60 * 1000),
  })
  .meta({ examples: [{ text: 'You are a worthless idiot.', postId: 'post-1', author: 'mallory' }] });

/** Who is named as the one who decided where no person did. */
const policy = 'policy';

const Decision = z.strictObject({
  decision: z.enum(['approved', 'rejected', 'edited']),
  decidedBy: z.string(),
  /** The text as it was edited. */
  text: z.string().optional(),
  reason: z.string().optional(),
});
type Decision = z.infer<typeof Decision>;

/** Moderators in parallel -> risk -> above the threshold a person decides -> the post's status and the audit log. */
export const contentModeration = defineWorkflow({
  name: 'content-moderation',
  version: 1,
  title: 'Content moderation',
  description:
    'Scores a post for toxicity, spam and violence, has a person decide about a risky one, and records the decision.',
  input: Input,
  output: Decision.extend({ postId: z.string(), scores: Scores, risk: z.number() }),
  async *run(mesh, request) {
    const postId = request.postId ?? `post-${mesh.uuid()}`;
    const { text, author } = request;
    yield* mesh.call({ skill: 'save-post' }, { postId, text, author });
    const { scores, evidence } = yield* scorePost(mesh, text);
    const { risk, needsPerson } = assessRisk(scores, request.threshold);
    const facts = { postId, text, author, scores, risk, threshold: request.threshold, evidence };
    const decision: Decision = needsPerson
      ? yield* askPerson(mesh, facts, request.deadlineMs)
      : { decision: 'approved', decidedBy: policy };
    yield* recordDecision(mesh, { postId, text }, decision, scores);
    return { postId, ...decision, scores, risk };
  },
});

const moderators = ['toxicity', 'spam', 'violence'] as const;

async function* scorePost(mesh: Mesh, text: string): Step<{ scores: Scores; evidence: Record<string, unknown> }> {
  // Scoring changes nothing, so it may happen twice.
  const options = { retry: { attempts: 3 }, timeout: '2m', repeatable: true } as const;
  const results = yield* mesh.all(
    moderators.map((moderator) => mesh.call({ skill: `score-${moderator}` }, { text }, options)),
    { onFailure: 'collect' },
  );
  const scores: Scores = { toxicity: null, spam: null, violence: null };
  const evidence: Record<string, unknown> = {};
  for (const [index, moderator] of moderators.entries()) {
    const result = results[index];
    if (result?.ok) {
      scores[moderator] = result.value.score;
      evidence[moderator] = {
        reasons: result.value.reasons,
        evidence: result.value.evidence,
        model: result.value.model,
      };
    } else evidence[moderator] = { failure: result?.failure.message };
  }
  return { scores, evidence };
}

interface Facts {
  postId: string;
  scores: Scores;
  risk: number;
  threshold: number;
  [fact: string]: unknown;
}

async function* askPerson(mesh: Mesh, facts: Facts, deadlineMs: number): Step<Decision> {
  const missing = moderators.filter((moderator) => facts.scores[moderator] === null);
  const why = missing.length > 0 ? `${missing.join(' and ')} could not be scored` : `the risk is ${facts.risk}`;
  yield* mesh.progress(`A person decides about ${facts.postId}: ${why}`);
  const outcome = yield* mesh.ask({
    prompt: `May post ${facts.postId} be published? ${why[0]?.toUpperCase()}${why.slice(1)} (threshold ${facts.threshold}).`,
    actions: ['approve', 'reject', 'edit'],
    schema: z.strictObject({ text: PostText }),
    arguments: facts,
    assignee: 'moderator',
    deadline: deadlineMs,
    escalation: [{ after: Math.ceil(deadlineMs / 2), assignee: 'lead-moderator' }],
    onDeadline: { action: 'reject', reason: 'no decision in time' },
  });
  const decidedBy = outcome.status === 'answered' ? outcome.by : policy;
  const answer = outcome.answer ?? { action: 'reject', reason: 'no decision in time' };
  // An empty reason is none.
  const reason = answer.reason ? { reason: answer.reason } : {};
  switch (answer.action) {
    case 'approve':
      return { decision: 'approved', decidedBy, ...reason };
    case 'reject':
      return { decision: 'rejected', decidedBy, ...reason };
    case 'edit':
    case 'answer':
      return { decision: 'edited', decidedBy, text: answer.value.text, ...reason };
    default:
      return answer satisfies never;
  }
}

async function* recordDecision(
  mesh: Mesh,
  post: { postId: string; text: string },
  { decision, decidedBy: by, text, reason }: Decision,
  scores: Scores,
): Step<void> {
  const { postId } = post;
  yield* mesh.call(
    { skill: 'set-post-status' },
    { postId, status: decision, text, reason, by },
    {
      undo: {
        target: { skill: 'set-post-status' },
        input: (result) => ({
          postId,
          status: result?.previous ?? 'pending',
          text: text === undefined ? undefined : (result?.previousText ?? post.text),
          reason: 'the decision could not be recorded',
        }),
      },
    },
  );
  const scored = Object.fromEntries(
    Object.entries(scores).filter((entry): entry is [string, number] => entry[1] !== null),
  );
  yield* mesh.call(
    { skill: 'append-audit' },
    { postId, entry: { action: decision, by, reason, runId: mesh.runId, scores: scored } },
  );
}
