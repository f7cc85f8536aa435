import { CaseFacts, type SkillMap } from '@daca-mesh/agent-cards';
import type { ChosenModel } from '@daca-mesh/protocol/agents-sdk';
import type { SkillContext } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { findingsOf } from '../knowledge/findings.ts';
import { matchFindings, urgencyOf } from '../knowledge/match-findings.ts';
import { answerSchema, type MissingFact, missingFacts, toFact, withAnswer } from '../missing-facts.ts';
import { writeReasons } from '../write-reasons.ts';

const disclaimer = 'A draft for a clinician, who decides. Made from a small table of conditions; not medical advice.';

/** How often the caller is asked before the draft is made of what there is. */
const maxRounds = 3;

/** What waits with a question: the case so far, and what was asked. */
const Asked = z.strictObject({ facts: CaseFacts, keys: z.array(z.string()), rounds: z.int() });

/** Makes the skill: a draft for a clinician, after asking for the facts that would help most. */
export function createDiagnosisDrafter(model: ChosenModel, timeoutMs: number) {
  return async (context: SkillContext<CaseFacts>): Promise<SkillMap['draft-diagnosis']['output']> => {
    const { task } = context;
    const { facts, rounds } = takeAnswer(context);
    const missing = missingFacts(facts);
    const toAsk = missing.filter(({ key }) => !facts.unknown?.includes(key));
    if (toAsk.length > 0 && rounds < maxRounds) {
      const state = { facts, keys: toAsk.map(({ key }) => key), rounds: rounds + 1 } satisfies z.infer<typeof Asked>;
      await task.ask(questionAbout(toAsk), { state });
    }
    const candidates = matchFindings(findingsOf(facts));
    const hypotheses = candidates.length === 0 ? [] : await writeReasons(candidates, { facts, task, model, timeoutMs });
    const kept = candidates.filter(({ condition }) =>
      hypotheses.some((hypothesis) => hypothesis.condition === condition),
    );
    return {
      hypotheses,
      // What the model left out still counts: a grave condition makes a case urgent, however it is worded.
      urgency: urgencyOf(candidates),
      recommendedTests: [...new Set(kept.flatMap(({ tests }) => tests))],
      missing: missing.map(({ label }) => label),
      facts,
      disclaimer,
      model: model.name,
    };
  };
}

function takeAnswer({ input, resumed }: SkillContext<CaseFacts>): { facts: CaseFacts; rounds: number } {
  if (!resumed) return { facts: input, rounds: 0 };
  const { facts, keys, rounds } = Asked.parse(resumed.state);
  const answer = answerSchema(keys.map(toFact)).parse(resumed.answer.value);
  return { facts: withAnswer(facts, answer), rounds };
}

function questionAbout(facts: readonly MissingFact[]) {
  // The dialect is 2020-12, as everywhere; naming it would stop validators of older drafts.
  const { $schema: _dialect, ...schema } = z.toJSONSchema(answerSchema(facts));
  const list = facts.map(({ label }) => `- ${label}`).join('\n');
  return { prompt: `To draft a diagnosis I need to know:\n${list}\nAnswer null where nobody can tell.`, schema };
}
