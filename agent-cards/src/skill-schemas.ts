import type { z } from 'zod';
import { appendAudit } from './skills/append-audit.ts';
import { extractKeywords } from './skills/extract-keywords.ts';
import { format } from './skills/format.ts';
import { getAudit } from './skills/get-audit.ts';
import { getPost } from './skills/get-post.ts';
import { savePost } from './skills/save-post.ts';
import { scoreSpam } from './skills/score-spam.ts';
import { scoreToxicity } from './skills/score-toxicity.ts';
import { scoreViolence } from './skills/score-violence.ts';
import { setPostStatus } from './skills/set-post-status.ts';
import { write } from './skills/write.ts';

/** The schemas of every skill of the mesh but the workflows', by skill id. */
export const skillSchemas = {
  'append-audit': appendAudit,
  'extract-keywords': extractKeywords,
  format,
  'get-audit': getAudit,
  'get-post': getPost,
  'save-post': savePost,
  'score-spam': scoreSpam,
  'score-toxicity': scoreToxicity,
  'score-violence': scoreViolence,
  'set-post-status': setPostStatus,
  write,
};

/** The id of a skill with schemas. */
export type SkillId = keyof typeof skillSchemas;

/** What each skill takes (as sent, defaults may be missing) and gives, for typed calls. */
export type SkillMap = {
  [K in SkillId]: {
    input: z.input<(typeof skillSchemas)[K]['input']>;
    output: z.output<(typeof skillSchemas)[K]['output']>;
  };
};
