import { MeshError, newId } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import { followRun } from '../follow-run.ts';
import type { MeshApi, Question, Run } from '../mesh-api.ts';
import { note, print, printJson } from '../output.ts';
import { startProgress } from '../progress.ts';
import { answerCommand, questionLines } from '../question-text.ts';
import { detailOf, drawTimeline } from '../timeline.ts';
import type { TimelineEntry } from '../timeline-entry.ts';
import type { Demo } from './demo.ts';

/** How a demonstration is run. */
export interface DemoOptions {
  json: boolean;
  signal: AbortSignal;
}

/** What came out of a demonstration, as `mesh demo --json` prints it. */
export interface DemoResult {
  workflow: string;
  runId: string;
  status: Run['status'];
  ok: boolean;
  problems: string[];
  output: unknown;
}

/** Starts a demonstration and follows it to its first question. Throws when it ends without one. */
export async function runToQuestion(demo: Demo, api: MeshApi, options: DemoOptions): Promise<Question> {
  using progress = startProgress(demo.title, { quiet: options.json });
  const runId = await api.start(demo.workflow, demo.createInput(), newId());
  for await (const entry of followRun(api, runId, options.signal)) {
    const question = await tryReadQuestion(api, entry);
    if (question !== undefined) return question;
    if (entry.agent !== undefined) progress.update(`${demo.title}: ${entry.agent}`);
  }
  throw new MeshError('INTERNAL', `run ${runId} ended without asking anybody; see "npx mesh show ${runId}"`);
}

/** Runs a demonstration to its end, answers its questions or leaves that to the user, and judges the outcome. */
export async function runDemo(
  demo: Demo,
  api: MeshApi,
  options: DemoOptions & { auto: boolean; dataFolder: string | undefined; token: string | undefined },
): Promise<DemoResult> {
  const { auto, json } = options;
  const input = demo.createInput();
  const runId = await api.start(demo.workflow, input, newId());
  if (!json) note(`${demo.workflow}: ${demo.title} (run ${runId})`);
  const drawing = drawTimeline();
  for await (const entry of followRun(api, runId, options.signal)) {
    if (!json) print(drawing.line(entry));
    const question = await tryReadQuestion(api, entry);
    if (question?.status !== 'open') continue;
    if (auto && demo.answer !== undefined) await api.answer(question.id, { ...demo.answer, by: 'mesh demo' });
    else tellQuestion(question, options);
  }
  const run = await api.run(runId);
  const agentWith = (skill: string) => connectSkill(api, skill, options.token);
  const problems = await demo.findProblems({ input, run, auto, agentWith });
  const { status, output } = run;
  return { workflow: demo.workflow, runId, status, ok: problems.length === 0, problems, output };
}

async function tryReadQuestion(api: MeshApi, entry: TimelineEntry): Promise<Question | undefined> {
  if (entry.type !== 'question-asked') return undefined;
  const { questionId } = detailOf(entry);
  return questionId === undefined ? undefined : api.question(questionId);
}

function tellQuestion(question: Question, options: { json: boolean; dataFolder: string | undefined }): void {
  const { json, dataFolder } = options;
  if (json) return printJson({ type: 'question', question, command: answerCommand(question, dataFolder) });
  for (const line of ['', ...questionLines(question, dataFolder), '']) print(line);
}

async function connectSkill(api: MeshApi, skill: string, token: string | undefined): Promise<AgentClient> {
  const { peers } = await api.peers();
  const peer = peers.find(({ skills }) => skills.some(({ id }) => id === skill));
  if (peer === undefined) throw new MeshError('PEER_NOT_FOUND', `the coordinator knows no agent with skill ${skill}`);
  return AgentClient.connect(peer.url, token === undefined ? {} : { token });
}
