import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { contentModeration } from '../demos/content-moderation.ts';
import { contentPipeline } from '../demos/content-pipeline.ts';
import { runDemo } from '../demos/run-demo.ts';
import { addEngineOptions, type EngineOptions } from '../engine-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { MeshApi } from '../mesh-api.ts';
import { note, paint, print, printJson } from '../output.ts';
import { startProgress } from '../progress.ts';

const demos = [contentPipeline, contentModeration];

/** How long a mesh started only for demonstrations may take to be ready. */
const startTimeoutMs = 60_000;

interface DemoOptions extends CommonOptions, EngineOptions {
  auto?: boolean;
}

/** `mesh demo`: shipped workflows with their real agents, and a look at whether the outcome is right. */
export function addDemoCommand(program: Command, context: Context): void {
  const command = addMeshCommand(
    program,
    'demo',
    'run shipped workflows and check their outcome (all of them unless one is named)',
    ['npx mesh demo content-moderation', 'npx mesh demo --auto', 'npx mesh demo --auto --engine dapr'],
  )
    .addArgument(new Argument('[workflow]', 'which one').choices(demos.map(({ workflow }) => workflow)))
    .option('--auto', 'answer questions by itself');
  addEngineOptions(command).action(async (workflow: string | undefined, options: DemoOptions) => {
    const chosen = demos.filter((demo) => workflow === undefined || demo.workflow === workflow);
    const running = await tryConnect(context, options);
    if (running !== undefined) return runAll(context, chosen, running, options);
    await withOwnMesh(context, options, (api, data) => runAll(context, chosen, api, { ...options, data }));
  });
}

async function runAll(context: Context, chosen: typeof demos, api: MeshApi, options: DemoOptions): Promise<void> {
  const { signal, config } = context;
  const json = options.json === true;
  for (const demo of chosen) {
    const result = await runDemo(demo, api, {
      json,
      signal,
      auto: options.auto === true,
      dataFolder: options.data,
      token: config.token,
    });
    if (!result.ok) context.exitCode = exitCodes.wrongOutcome;
    if (json) printJson(result);
    else print(result.ok ? paint('green', `${demo.workflow}: right`) : paint('red', `${demo.workflow}: wrong`));
    if (!json) for (const problem of result.problems) print(`  ${problem}`);
  }
}

/** The running mesh; undefined where there is none and none was named, and where a certain engine is asked for. */
async function tryConnect(context: Context, options: DemoOptions): Promise<MeshApi | undefined> {
  if (options.engine !== undefined) {
    if (options.url === undefined && options.data === undefined) return undefined;
    throw new InvalidArgumentError('--engine is about a mesh of its own, --url and --data name one that runs');
  }
  const isNamed = options.url !== undefined || options.data !== undefined || context.config.url !== undefined;
  try {
    const api = connectApi(context, options);
    // What an ended mesh left behind is no running mesh.
    await api.peers();
    return api;
  } catch (error) {
    const isMissing = isMeshError(error) && (error.code === 'UNAVAILABLE' || error.code === 'PEER_UNREACHABLE');
    if (isNamed || !isMissing) throw error;
    return undefined;
  }
}

async function withOwnMesh(
  context: Context,
  options: DemoOptions,
  use: (api: MeshApi, dataFolder: string) => Promise<void>,
): Promise<void> {
  const { loadComposition, toProcessSpecs } = await import('../supervisor/composition.ts');
  const { chooseEngine } = await import('../supervisor/engine-choice.ts');
  const { prepareEngine } = await import('../supervisor/engine.ts');
  const { startSupervisor } = await import('../supervisor/supervisor.ts');
  const engine = chooseEngine(options, context.config);
  const dataFolder = await mkdtemp(join(tmpdir(), 'mesh-demo-'));
  const { host, inherited, token } = context.config;
  try {
    const mesh = await startSupervisor({
      specs: toProcessSpecs(loadComposition(), { dataFolder, host, port: 0 }),
      engine: () => prepareEngine(engine, dataFolder),
      dataFolder,
      environment: inherited,
      onEvent: ({ type, process, reason }) => {
        if (type === 'died') note(`${process.name} died (${reason}); starting it again`);
      },
    });
    try {
      const url = await readyUrl(mesh, context, options);
      await use(new MeshApi(url, { token, signal: context.signal }), dataFolder);
    } finally {
      await mesh.stop();
    }
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
}

async function readyUrl(
  mesh: { ready(signal: AbortSignal): Promise<void>; readonly url: string | undefined },
  context: Context,
  options: DemoOptions,
): Promise<string> {
  const progress = startProgress('starting a mesh for this', { quiet: options.json === true });
  const limit = AbortSignal.any([context.signal, AbortSignal.timeout(startTimeoutMs)]);
  await mesh.ready(limit).finally(() => progress[Symbol.dispose]());
  if (mesh.url === undefined) throw new MeshError('UNAVAILABLE', 'the coordinator did not start');
  return mesh.url;
}
