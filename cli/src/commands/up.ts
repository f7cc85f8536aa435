import { resolve } from 'node:path';
import { tokenDigest } from '@daca-mesh/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config.ts';
import { addCommand, type CommonOptions, type Context } from '../context.ts';
import { contentModeration } from '../demos/content-moderation.ts';
import { type ChosenDemo, runToQuestion } from '../demos/run-demo.ts';
import { addEngineOptions, type EngineOptions } from '../engine-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { MeshApi } from '../mesh-api.ts';
import { defaultDataFolder } from '../mesh-location.ts';
import { duration, note, print, printJson, shorten, table } from '../output.ts';
import { readPrincipals } from '../principals-file.ts';
import { startProgress } from '../progress.ts';
import { answerCommand, dataOption, questionLines } from '../question-text.ts';
import { watchStopSignals } from '../stop-signals.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { ProcessEvent } from '../supervisor/supervised-process.ts';

/** The demonstration that leaves its question to the user. */
const upDemo: ChosenDemo = {
  workflow: contentModeration.workflow,
  name: 'approved',
  variant: contentModeration.variants.approved,
};

interface UpOptions extends CommonOptions, EngineOptions {
  demo?: boolean;
  port: number;
  host: string;
  only?: string[];
  composition?: string;
}

/** After this long the user sees what there is, ready or not. */
const patienceMs = 15_000;

const loopbackHosts: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

/** `mesh up`: the local mesh, supervised until Ctrl-C. */
export function addUpCommand(program: Command, context: Context): void {
  const { host, port } = context.config;
  const command = addCommand(program, 'up', 'start the local mesh and keep it running, until Ctrl-C', [
    'npx mesh up',
    'npx mesh up --demo --data /tmp/mesh --port 5100',
    'npx mesh up --engine dapr',
    'npx mesh up --only keyword-extractor,writer',
  ])
    .option('--demo', 'also moderate a risky post, up to the question that a person answers')
    .option('--no-demo', 'without that; "npm start" does it by default')
    .option('--data <folder>', 'where everything is kept (default: .mesh)')
    .addOption(
      new Option('--port <n>', 'port of the coordinator, the agents take the next ones; 0: any free ports')
        .argParser(parsePort)
        .default(port, 'MESH_PORT, else 4100'),
    )
    .addOption(
      new Option('--host <host>', 'address to listen on; anything but loopback needs MESH_TOKEN').default(
        host,
        'MESH_HOST, else 127.0.0.1',
      ),
    )
    .option('--only <names>', 'start only these, separated by commas', parseNames)
    .option('--composition <file>', "a mesh.json of your own; its packages are relative to the file's folder");
  addEngineOptions(command).action((options: UpOptions) => up(context, options));
}

async function up(context: Context, options: UpOptions): Promise<void> {
  if (!loopbackHosts.has(options.host) && context.config.token === undefined) {
    throw new InvalidArgumentError(`listening on ${options.host} needs MESH_TOKEN, the token every caller then sends`);
  }
  checkPrincipals(context.config);
  const startedAt = Date.now();
  const dataFolder = resolve(options.data ?? defaultDataFolder);
  using signals = watchStopSignals();
  const mesh = await start(context, options, dataFolder);
  try {
    using progress = startProgress('starting', { quiet: options.json === true });
    const isReady = await readyWithin(mesh, patienceMs, signals.stop);
    progress[Symbol.dispose]();
    reportReady(mesh, dataFolder, Date.now() - startedAt, options);
    if (!isReady) await mesh.ready(signals.stop);
    if (options.demo) await demonstrate(context, mesh, dataFolder, options, signals.stop);
    await aborted(signals.stop);
  } catch (error) {
    if (!signals.stop.aborted) throw error;
  } finally {
    if (!options.json) note('stopping (Ctrl-C again: at once)');
    await mesh.stop(signals.force);
  }
  context.exitCode = signals.force.aborted ? exitCodes.interrupted : exitCodes.ok;
}

/** What would end every process at once is said here, once. */
function checkPrincipals({ principalsPath, token }: Config): void {
  if (principalsPath === undefined) return;
  if (token === undefined) {
    throw new InvalidArgumentError(
      'MESH_PRINCIPALS needs MESH_TOKEN: the processes of the mesh call each other with it',
    );
  }
  const owner = readPrincipals(principalsPath).find(({ tokenSha256 }) => tokenSha256 === tokenDigest(token));
  if (owner) throw new InvalidArgumentError(`MESH_TOKEN is the token of ${owner.name}; the mesh needs one of its own`);
}

/** Whether all processes were ready in time; a mesh with one that is not is shown as it is. */
async function readyWithin(mesh: Supervisor, limitMs: number, stop: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.timeout(limitMs);
  try {
    await mesh.ready(AbortSignal.any([stop, limit]));
    return true;
  } catch (error) {
    if (!limit.aborted) throw error;
    return false;
  }
}

async function start(context: Context, options: UpOptions, dataFolder: string): Promise<Supervisor> {
  // Loaded here because no other command needs the agents' cards and schemas.
  const { loadComposition, toProcessSpecs } = await import('../supervisor/composition.ts');
  const { chooseEngine } = await import('../supervisor/engine-choice.ts');
  const { prepareEngine } = await import('../supervisor/engine.ts');
  const { startSupervisor } = await import('../supervisor/supervisor.ts');
  const { host, port, only } = options;
  const engine = chooseEngine(options, context.config);
  return startSupervisor({
    specs: toProcessSpecs(loadComposition(options.composition), { dataFolder, host, port, only }),
    engine: async () => {
      const prepared = await prepareEngine(engine, dataFolder);
      if (!options.json) for (const aside of prepared.asides) note(movedText(aside));
      return prepared;
    },
    dataFolder,
    environment: context.config.inherited,
    onEvent: (event) => (options.json ? printJson(event) : reportEvent(event)),
  });
}

const movedText = (aside: string): string =>
  `another engine ran here before: what it kept is now in ${aside}, and open runs are started again on this one`;

function reportEvent(event: ProcessEvent): void {
  const { name, url, restarts } = event.process;
  switch (event.type) {
    case 'ready':
      if (restarts > 0) note(`${name} is back${url === null ? '' : ` at ${url}`} (restart ${restarts})`);
      return;
    case 'died': {
      const why = event.lastError === undefined ? '' : `: ${shorten(event.lastError, 600)}`;
      note(`${name} died (${event.reason})${why}; starting it again in ${duration(event.restartInMs ?? 0)}`);
      return;
    }
    case 'down':
      return note(`${name} is down (${event.reason}) until "npx mesh restart ${name}"`);
    default:
      return event.type satisfies never;
  }
}

function reportReady(mesh: Supervisor, dataFolder: string, tookMs: number, options: UpOptions): void {
  if (options.json) return printJson({ type: 'up', url: mesh.url ?? null, dataFolder, processes: mesh.processes });
  print();
  const rows = mesh.processes.map(({ name, url, status, pid }) => [
    name,
    status === 'ready' ? (url ?? '-') : status,
    String(pid ?? '-'),
  ]);
  for (const line of table(['NAME', 'ADDRESS', 'PID'], rows)) print(line);
  print();
  if (mesh.url !== undefined) print(`HTTP API  ${mesh.url}/openapi.json`);
  print(`logs      ${dataFolder}/logs`);
  const late = mesh.processes.filter(({ status }) => status !== 'ready').map(({ name }) => name);
  if (late.length > 0) print(`not ready: ${late.join(', ')}`);
  print(`up after ${duration(tookMs)}; Ctrl-C stops all`);
}

async function demonstrate(
  context: Context,
  mesh: Supervisor,
  dataFolder: string,
  options: UpOptions,
  signal: AbortSignal,
): Promise<void> {
  if (mesh.url === undefined) return note('no demonstration: the coordinator does not run');
  const api = new MeshApi(mesh.url, { token: context.config.token, signal });
  try {
    const question = await runToQuestion(upDemo, api, { json: options.json === true, signal });
    if (options.json) return printJson({ type: 'question', question, command: answerCommand(question, dataFolder) });
    print();
    for (const line of questionLines(question, dataFolder)) print(line);
    print();
    print(`and afterwards: npx mesh show ${question.runId}${dataOption(dataFolder)}`);
  } catch (error) {
    signal.throwIfAborted();
    // The mesh itself is up and of use, whatever became of the demonstration.
    const message = error instanceof Error ? error.message : String(error);
    if (options.json) printJson({ type: 'demo-failed', message });
    else note(`error: the demonstration failed: ${message}`);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve: end } = Promise.withResolvers<void>();
  if (signal.aborted) end();
  else signal.addEventListener('abort', () => end(), { once: true });
  return promise;
}

function parsePort(text: string): number {
  const port = Number(text);
  // The agents' ports follow the coordinator's.
  if (/^\d+$/.test(text) && (port === 0 || (port >= 1 && port <= 65_000))) return port;
  throw new InvalidArgumentError('It must be 0, or a port up to 65000.');
}

function parseNames(text: string): string[] {
  const names = text.split(',').flatMap((name) => name.trim() || []);
  if (names.length > 0) return names;
  throw new InvalidArgumentError('It must name at least one agent.');
}
