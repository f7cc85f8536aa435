import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome } from './demo.ts';

const Output = z.looseObject({ decision: z.enum(['approved', 'rejected', 'edited']) });
const PostReply = z.looseObject({ post: z.looseObject({ status: z.string() }).nullable() });
const AuditReply = z.looseObject({ entries: z.array(z.looseObject({ runId: z.string().optional() })) });

const createInput = () => ({
  postId: `demo-${newId()}`,
  author: 'mesh-demo',
  text: 'You are a worthless idiot, nobody wants you here. Come to the match on Sunday and I will kill you.',
});

/** A risky post: the moderators look at it at the same time, a person decides, and the records show the decision. */
export const contentModeration = {
  workflow: 'content-moderation',
  variants: {
    approved: {
      title: 'three moderators look at a risky post, and a person decides',
      createInput,
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, 'approved'),
    },
    rejected: {
      title: 'three moderators look at a risky post, and a person rejects it',
      createInput,
      answer: () => ({ action: 'reject', reason: 'answered by the demonstration' }),
      findProblems: (outcome) => findProblems(outcome, 'rejected'),
    },
    deadline: {
      title: 'nobody decides about a risky post in time, so it is rejected',
      createInput: () => ({ ...createInput(), deadlineMs: 2_000 }),
      answer: () => undefined,
      findProblems: (outcome) => findProblems(outcome, 'rejected'),
    },
    'agent-down': {
      title: 'the records are killed, and the decision reaches them when they are back',
      createInput,
      answer: () => ({ action: 'approve', reason: 'answered by the demonstration' }),
      meanwhile: async ({ control }) => void (await control().kill('records', { down: false })),
      findProblems: (outcome) => findProblems(outcome, 'approved'),
    },
  },
} satisfies Demo;

async function findProblems(
  { input, run, auto, agentWith }: DemoOutcome,
  wanted: z.infer<typeof Output>['decision'],
): Promise<string[]> {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a decision`];
  const { decision } = output.data;
  const postId = { postId: input['postId'] };
  const records = await agentWith('get-post');
  const { post } = await askAgent(records, 'get-post', postId, PostReply);
  const { entries } = await askAgent(records, 'get-audit', postId, AuditReply);
  return [
    ...(auto && decision !== wanted ? [`it should be ${wanted}, but the decision is ${decision}`] : []),
    ...(post?.status === decision ? [] : [`the post is ${post?.status ?? 'missing'} in the records, not ${decision}`]),
    ...(entries.length === 1
      ? []
      : [`the audit log of the records mentions the post ${entries.length} times, not once`]),
  ];
}
