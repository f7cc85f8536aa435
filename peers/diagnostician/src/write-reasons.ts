import type { CaseFacts } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { type ChosenModel, meshTool, runAgentSkill } from '@daca-mesh/protocol/agents-sdk';
import type { TaskHandle } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { type Findings, findingsOf } from './knowledge/findings.ts';
import { type Candidate, matchFindings } from './knowledge/match-findings.ts';

const Reasoned = z.strictObject({ condition: z.string(), reasons: z.array(z.string()), against: z.array(z.string()) });
type Reasoned = z.infer<typeof Reasoned>;

const Draft = z.strictObject({ hypotheses: z.array(Reasoned) });

const instructions = `You draft diagnoses for a clinician, who decides; you never do. The user's message is a JSON object:
the patient, the complaint, the findings that are "present" and "absent", and remarks of clinicians on earlier drafts.
Call match_findings with the findings first. Answer with hypotheses for the conditions it returned, and no others: for
each the reasons that speak for it and what speaks against it, in short sentences that rest on the given facts only.`;

/** How a draft is written. */
export interface Writing {
  facts: CaseFacts;
  task: TaskHandle;
  model: ChosenModel;
  timeoutMs: number;
}

/**
 * Has the model write the reasons for the candidates. What it says is checked against them: it may leave one out and word
 * the reasons, but neither confidence nor a condition of its own is up to it.
 */
export async function writeReasons(
  candidates: readonly Candidate[],
  { facts, task, model, timeoutMs }: Writing,
): Promise<(Reasoned & Pick<Candidate, 'confidence'>)[]> {
  const { present, absent } = findingsOf(facts);
  const { patient, complaint, remarks = [] } = facts;
  const { output } = await runAgentSkill({
    agent: { name: 'Diagnostician', instructions, tools: [matchTool({ present, absent })] },
    model,
    input: { patient, complaint, remarks, present: [...present], absent: [...absent] },
    task,
    outputSchema: Draft,
    timeoutMs,
  });
  return checked(output.hypotheses, candidates);
}

/** The table of conditions as a tool; it takes no finding that the case does not have. */
const matchTool = (known: Findings) =>
  meshTool({
    name: 'match_findings',
    description: 'Tells which conditions findings speak for, with reasons, the likeliest first.',
    parameters: z.strictObject({
      present: z.array(z.string()).describe('findings of the case that are present'),
      absent: z.array(z.string()).describe('findings of the case that are absent'),
    }),
    readOnly: true,
    async execute({ present, absent }) {
      const findings = { present: only(present, known.present), absent: only(absent, known.absent) };
      const matched = matchFindings(findings);
      return { hypotheses: matched.map(({ condition, reasons, against }) => ({ condition, reasons, against })) };
    },
  });

function only<T extends string>(names: readonly string[], known: ReadonlySet<T>): ReadonlySet<T> {
  // Any name may be looked for.
  const strange = names.filter((name) => !(known as ReadonlySet<string>).has(name));
  if (strange.length > 0) {
    throw new MeshError('INVALID_ARGUMENT', `the case does not say: ${strange.join(', ')}`, {
      details: { findings: [...known] },
    });
  }
  return new Set([...known].filter((name) => names.includes(name)));
}

function checked(hypotheses: readonly Reasoned[], candidates: readonly Candidate[]) {
  const byName = new Map(candidates.map((candidate) => [candidate.condition, candidate]));
  const named = hypotheses.map((hypothesis) => {
    const candidate = byName.get(hypothesis.condition);
    if (!candidate) throw invalid(`nothing in the case speaks for ${JSON.stringify(hypothesis.condition)}`);
    if (hypothesis.reasons.length === 0) throw invalid(`no reasons are given for ${hypothesis.condition}`);
    return { ...hypothesis, confidence: candidate.confidence };
  });
  if (named.length === 0) throw invalid('the model names no condition');
  if (new Set(named.map(({ condition }) => condition)).size < named.length) throw invalid('a condition appears twice');
  return named.toSorted((a, b) => b.confidence - a.confidence);
}

const invalid = (problem: string): MeshError =>
  new MeshError('INVALID_OUTPUT', `the draft does not rest on the facts: ${problem}`, { retryable: true });
