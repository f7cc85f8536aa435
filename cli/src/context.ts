import { AgentClient } from '@daca-mesh/protocol/client';
import { MeshError } from '@daca-mesh/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from './config.ts';
import type { ExitCode } from './exit-codes.ts';
import { MeshApi } from './mesh-api.ts';
import { type LocationOptions, locateMesh, type MeshLocation } from './mesh-location.ts';

/** What every command works with. */
export interface Context {
  readonly config: Config;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Set by a command that ends in anything but 0 without an error. */
  exitCode: ExitCode;
}

/** The options of a command that is about a mesh. */
export interface CommonOptions extends LocationOptions {
  json?: boolean;
}

const exitCodeHelp = `
Exit codes: 0 ok, 1 wrong outcome, 2 usage, 3 unreachable, 4 refused, 130 interrupted.`;

/** Adds a subcommand with `--json`, and with examples and the exit codes in its help. */
export function addCommand(program: Command, name: string, description: string, examples: string[]): Command {
  const heading = examples.length === 1 ? 'Example' : 'Examples';
  return program
    .command(name)
    .description(description)
    .option('--json', 'print JSON: one value, or one per line where there are many in time')
    .addHelpText('after', `\n${heading}:\n${examples.map((example) => `  ${example}`).join('\n')}\n${exitCodeHelp}`);
}

/** Also adds `--data`, for commands about a mesh on this machine. */
export function addLocalCommand(...command: Parameters<typeof addCommand>): Command {
  return addCommand(...command).option('--data <folder>', 'data folder of the mesh (default: the nearest .mesh)');
}

/** Also adds `--url`, for commands that need no more than the coordinator's address. */
export function addMeshCommand(...command: Parameters<typeof addCommand>): Command {
  return addLocalCommand(...command).option(
    '--url <url>',
    'the coordinator (default: MESH_URL, else the mesh of the data folder)',
    parseHttpUrl,
  );
}

const isHttpUrl = (text: string): boolean => /^https?:\/\//.test(text) && URL.canParse(text);

function parseHttpUrl(text: string): string {
  if (isHttpUrl(text)) return text;
  throw new InvalidArgumentError('It must be an http or https URL.');
}

/** A client of the coordinator's HTTP API. */
export function connectApi(context: Context, options: LocationOptions): MeshApi {
  const location = locateMesh(options, context.config);
  if (location.url === undefined) {
    throw new MeshError('UNAVAILABLE', 'this mesh has no coordinator that listens; see "mesh ps"');
  }
  return new MeshApi(location.url, { token: context.config.token, signal: context.signal });
}

/** A client of an agent, given by its name in the mesh or by a URL of its own. */
export async function connectAgent(context: Context, agent: string, options: LocationOptions): Promise<AgentClient> {
  const location = isHttpUrl(agent) ? tryLocateMesh(context, options) : locateMesh(options, context.config);
  const url = isHttpUrl(agent) ? agent : await findAgent(context, agent, location);
  // The mesh's token is for the mesh's own processes only.
  const isOwn = location?.origins.includes(new URL(url).origin) ?? false;
  const { token } = context.config;
  return AgentClient.connect(url, isOwn && token !== undefined ? { token } : {});
}

function tryLocateMesh(context: Context, options: LocationOptions): MeshLocation | undefined {
  try {
    return locateMesh(options, context.config);
  } catch {
    return undefined;
  }
}

async function findAgent(context: Context, name: string, location: MeshLocation | undefined): Promise<string> {
  const process = location?.local?.state.processes.find((candidate) => candidate.name === name);
  if (process?.url != null) return process.url;
  if (location?.url === undefined) throw new MeshError('PEER_NOT_FOUND', `no agent is called ${name}; see "mesh ps"`);
  const api = new MeshApi(location.url, { token: context.config.token, signal: context.signal });
  const peer = (await api.peers()).peers.find((candidate) => candidate.name === name);
  if (peer === undefined) throw new MeshError('PEER_NOT_FOUND', `no agent is called ${name}; see "mesh peers"`);
  return peer.url;
}
