import { isMeshError } from '@daca-mesh/protocol';
import { Command, CommanderError } from 'commander';
import { addAnswerCommand } from './commands/answer.ts';
import { addArtifactCommand } from './commands/artifact.ts';
import { addCardCommand } from './commands/card.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addEnvCommand } from './commands/env.ts';
import { addEventsCommands } from './commands/events.ts';
import { addInboxCommand } from './commands/inbox.ts';
import { addKillCommand } from './commands/kill.ts';
import { addNewCommands } from './commands/new.ts';
import { addPeersCommand } from './commands/peers.ts';
import { addPrincipalCommands } from './commands/principal.ts';
import { addPsCommand } from './commands/ps.ts';
import { addRestartCommand } from './commands/restart.ts';
import { addRunCommand } from './commands/run.ts';
import { addRunControlCommands } from './commands/run-control.ts';
import { addRunsCommand } from './commands/runs.ts';
import { addSendCommand } from './commands/send.ts';
import { addShowCommand } from './commands/show.ts';
import { addSidecarCommand } from './commands/sidecar.ts';
import { addUpCommand } from './commands/up.ts';
import { readConfig } from './config.ts';
import type { Context } from './context.ts';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';
import { harmless, note } from './output.ts';

const startHelp = `
Examples:
  npx mesh up --demo             # a mesh, and a post that waits for your decision
  npx mesh inbox                 # what waits, with the command that answers it
  npx mesh card coordinator      # the workflows there are
  npx mesh run content-pipeline --input '{"text":"Solar power keeps getting cheaper."}' --follow
  npx mesh demo --auto           # every workflow, in a mesh of its own where none runs

A mesh elsewhere is reached by MESH_URL and, where it demands a token, MESH_TOKEN.
"mesh <command> --help" shows the options of a command, examples and the exit codes.`;

const addCommands = [
  addUpCommand,
  addPsCommand,
  addKillCommand,
  addRestartCommand,
  addPeersCommand,
  addCardCommand,
  addSendCommand,
  addRunCommand,
  addRunsCommand,
  addShowCommand,
  addArtifactCommand,
  addRunControlCommands,
  addInboxCommand,
  addAnswerCommand,
  addEventsCommands,
  addPrincipalCommands,
  addDemoCommand,
  addEnvCommand,
  addNewCommands,
  addSidecarCommand,
];

/** Runs one command line (without node and script) and returns its exit code; never throws. */
export async function runCommandLine(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
  try {
    const context: Context = { config: readConfig(), signal, exitCode: exitCodes.ok };
    await createProgram(context).parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    const exitCode = signal.aborted ? exitCodes.interrupted : exitCodeOf(error);
    if (exitCode !== exitCodes.interrupted) report(error, args.includes('--json'));
    return exitCode;
  }
}

/** The whole command line. */
function createProgram(context: Context): Command {
  const program = new Command('mesh')
    .description('A mesh of A2A agents with durable workflows: start it, watch it, decide for it.')
    .version('0.1.0')
    .addHelpText('after', startHelp)
    .exitOverride()
    // Every error is printed in one place, as text or as JSON: report().
    .configureOutput({ outputError: () => {} });
  for (const add of addCommands) add(program, context);
  return program;
}

function report(error: unknown, json: boolean): void {
  const isUsage = error instanceof CommanderError;
  // Help was asked for, or is the answer to a missing command: it has been printed.
  if (isUsage && (error.exitCode === 0 || error.code === 'commander.help')) return;
  const message = (error instanceof Error ? error.message : String(error)).replace(/^error: /, '');
  if (json) {
    const code = isUsage ? 'INVALID_ARGUMENT' : isMeshError(error) ? error.code : 'INTERNAL';
    note(JSON.stringify({ error: { code, message, retryable: isMeshError(error) && error.retryable } }));
  } else {
    note(`error: ${harmless(message)}${isUsage ? '\n(add --help for the options and an example)' : ''}`);
  }
}
