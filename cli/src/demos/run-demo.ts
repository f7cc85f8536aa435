import { MeshError, newId } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import { followRun } from '../follow-run.ts';
import type { MeshApi, Question, Run } from '../mesh-api.ts';
import { note, print, printJson } from '../output.ts';
import { startProgress } from '../progress.ts';
import { answerCommand, questionLines } from '../question-text.ts';
import type { ControlClient } from '../supervisor/control-client.ts';
import { detailOf, drawTimeline } from '../timeline.ts';
import type { TimelineEntry } from '../timeline-entry.ts';
import type { DemoStage, DemoVariant } from './demo.ts';

/** One demonstration to be run: a variant of a workflow's. */
export interface ChosenDemo {
  workflow: string;
  name: string;
  variant: DemoVariant;
}

/** How a demonstration is run. */
export interface DemoOptions {
  json: boolean;
  signal: AbortSignal;
}

/** The mesh it is run in. */
export interface DemoMesh {
  api: MeshApi;
  control: () => ControlClient;
  dataFolder: string | undefined;
  token: string | undefined;
}

/** What came out of a demonstration, as `mesh demo --json` prints it. */
export interface DemoResult {
  workflow: string;
  variant: string;
  runId: string;
  status: Run['status'];
  ok: boolean;
  problems: string[];
  output: unknown;
  tookMs: number;
}

/** Starts a demonstration and follows it to its first question. Throws when it ends without one. */
export async function runToQuestion(demo: ChosenDemo, api: MeshApi, options: DemoOptions): Promise<Question> {
  const { title } = demo.variant;
  using progress = startProgress(title, { quiet: options.json });
  const runId = await api.start(demo.workflow, demo.variant.createInput(), newId());
  for await (const entry of followRun(api, runId, options.signal)) {
    const question = await tryReadQuestion(api, entry);
    if (question !== undefined) return question;
    if (entry.agent !== undefined) progress.update(`${title}: ${entry.agent}`);
  }
  throw new MeshError('INTERNAL', `run ${runId} ended without asking anybody; see "npx mesh show ${runId}"`);
}

/** Runs a demonstration to its end, answers its questions or leaves that to the user, and judges the outcome. */
export async function runDemo(
  { workflow, name, variant }: ChosenDemo,
  mesh: DemoMesh,
  options: DemoOptions & { auto: boolean },
): Promise<DemoResult> {
  const { auto, json, signal } = options;
  const { api, control } = mesh;
  const startedAt = performance.now();
  const stage: DemoStage = { api, control, agentWith: (skill) => connectSkill(mesh, skill) };
  const input = variant.createInput();
  const runId = (await variant.start?.(stage, input)) ?? (await api.start(workflow, input, newId()));
  if (!json) note(`${workflow} (${name}): ${variant.title} (run ${runId})`);
  const [, run] = await Promise.all([variant.meanwhile?.(stage, runId), follow()]);
  const problems = await variant.findProblems({ ...stage, input, run, auto });
  const { status, output } = run;
  const tookMs = Math.round(performance.now() - startedAt);
  return { workflow, variant: name, runId, status, ok: problems.length === 0, problems, output, tookMs };

  async function follow(): Promise<Run> {
    const drawing = drawTimeline();
    for await (const entry of followRun(api, runId, signal)) {
      if (!json) print(drawing.line(entry));
      const question = await tryReadQuestion(api, entry);
      if (question?.status !== 'open') continue;
      if (!auto || variant.answer === undefined) {
        tellQuestion(question, { json, dataFolder: mesh.dataFolder });
        continue;
      }
      const answer = variant.answer(question);
      if (answer !== undefined) await api.answer(question.id, { by: 'mesh demo', ...answer });
    }
    return api.run(runId);
  }
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

async function connectSkill({ api, token }: DemoMesh, skill: string): Promise<AgentClient> {
  const { peers } = await api.peers();
  const peer = peers.find(({ skills }) => skills.some(({ id }) => id === skill));
  if (peer === undefined) throw new MeshError('PEER_NOT_FOUND', `the coordinator knows no agent with skill ${skill}`);
  return AgentClient.connect(peer.url, token === undefined ? {} : { token });
}
