import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo } from './demo.ts';

const Output = z.looseObject({ decision: z.enum(['approved', 'rejected', 'edited']) });
const PostReply = z.looseObject({ post: z.looseObject({ status: z.string() }).nullable() });
const AuditReply = z.looseObject({ entries: z.array(z.looseObject({ runId: z.string().optional() })) });

/** A risky post: the moderators look at it at the same time, a person decides, and the records show the decision. */
export const contentModeration: Demo = {
  workflow: 'content-moderation',
  title: 'three moderators look at a risky post, and a person decides',
  createInput: () => ({
    postId: `demo-${newId()}`,
    author: 'mesh-demo',
    text: 'You are a worthless idiot, nobody wants you here. Come to the match on Sunday and I will kill you.',
  }),
  answer: { action: 'approve', reason: 'answered by the demonstration' },
  async findProblems({ input, run, auto, agentWith }) {
    const output = Output.safeParse(run.output);
    if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a decision`];
    const { decision } = output.data;
    const postId = { postId: input['postId'] };
    const records = await agentWith('get-post');
    const { post } = await askAgent(records, 'get-post', postId, PostReply);
    const { entries } = await askAgent(records, 'get-audit', postId, AuditReply);
    return [
      ...(auto && decision !== 'approved' ? [`it was approved, but the decision is ${decision}`] : []),
      ...(post?.status === decision
        ? []
        : [`the post is ${post?.status ?? 'missing'} in the records, not ${decision}`]),
      ...(entries.length > 0 ? [] : ['the audit log of the records does not mention the post']),
    ];
  },
};
