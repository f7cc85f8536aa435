import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { demos } from '../demos/index.ts';
import { type ChosenDemo, type DemoMesh, type DemoResult, runDemo } from '../demos/run-demo.ts';
import { addEngineOptions, type EngineOptions } from '../engine-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { MeshApi } from '../mesh-api.ts';
import { locateMesh } from '../mesh-location.ts';
import { duration, note, paint, print, printJson, table } from '../output.ts';
import { startProgress } from '../progress.ts';
import { connectControl } from '../supervisor/control-client.ts';

/** How long a mesh started only for demonstrations may take to be ready. */
const startTimeoutMs = 60_000;

interface DemoOptions extends CommonOptions, EngineOptions {
  auto?: boolean;
  variant?: string;
}

/** Every variant, with what happens in it, as the help shows it. */
const variantList = demos
  .flatMap(({ workflow, variants }) => [
    `  ${workflow}`,
    ...Object.entries(variants).map(([name, { title }]) => `    ${name.padEnd(16)} ${title}`),
  ])
  .join('\n');

/** `mesh demo`: shipped workflows with their real agents, and a look at whether the outcome is right. */
export function addDemoCommand(program: Command, context: Context): void {
  const command = addMeshCommand(
    program,
    'demo',
    'run shipped workflows and check their outcome (all of them unless one is named)',
    [
      'npx mesh demo content-moderation',
      'npx mesh demo content-moderation --variant rejected --auto',
      'npx mesh demo --auto',
      'npx mesh demo --auto --engine dapr',
    ],
  )
    .addArgument(new Argument('[workflow]', 'which one').choices(demos.map(({ workflow }) => workflow)))
    .option('--auto', 'answer questions by itself')
    .option('--variant <name>', 'another way it can go, or "all"; the usual one by default')
    .addHelpText('after', `Variants, the usual one first:\n${variantList}`);
  addEngineOptions(command).action(async (workflow: string | undefined, options: DemoOptions) => {
    const chosen = choose(workflow, options.variant);
    const running = await tryConnect(context, options);
    if (running !== undefined) return runAll(context, chosen, running, options);
    await withOwnMesh(context, options, (api, data) => runAll(context, chosen, api, { ...options, data }));
  });
}

function choose(workflow: string | undefined, variant: string | undefined): ChosenDemo[] {
  if (workflow === undefined && variant !== undefined && variant !== 'all') {
    throw new InvalidArgumentError('--variant is one of a workflow: name it, or say --variant all');
  }
  return demos
    .filter((demo) => workflow === undefined || demo.workflow === workflow)
    .flatMap((demo) => {
      const names = Object.keys(demo.variants);
      const chosen = variant === 'all' ? names : [variant ?? names[0] ?? ''];
      return chosen.map((name): ChosenDemo => {
        const found = demo.variants[name];
        if (found !== undefined) return { workflow: demo.workflow, name, variant: found };
        throw new InvalidArgumentError(`${demo.workflow} has no variant "${name}"; there are ${names.join(', ')}`);
      });
    });
}

async function runAll(
  context: Context,
  chosen: readonly ChosenDemo[],
  api: MeshApi,
  options: DemoOptions,
): Promise<void> {
  const { signal, config } = context;
  const json = options.json === true;
  const mesh: DemoMesh = {
    api,
    control: () => connectControl(locateMesh(options, config)),
    dataFolder: options.data,
    token: config.token,
  };
  const results: DemoResult[] = [];
  for (const demo of chosen) {
    const result = await runDemo(demo, mesh, { json, signal, auto: options.auto === true });
    results.push(result);
    if (!result.ok) context.exitCode = exitCodes.wrongOutcome;
    if (json) printJson(result);
    else report(result);
  }
  if (!json && results.length > 1) for (const line of ['', ...resultTable(results)]) print(line);
}

const verdict = ({ ok }: DemoResult): string => (ok ? paint('green', 'right') : paint('red', 'wrong'));

function report(result: DemoResult): void {
  print(`${result.workflow} (${result.variant}): ${verdict(result)}`);
  for (const problem of result.problems) print(`  ${problem}`);
}

const resultTable = (results: readonly DemoResult[]): string[] =>
  table(
    ['WORKFLOW', 'VARIANT', 'STATUS', 'TOOK', 'OUTCOME'],
    results.map(({ workflow, variant, status, tookMs, ok }) => [
      workflow,
      variant,
      status,
      duration(tookMs),
      ok ? 'right' : 'wrong',
    ]),
  );

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
