import { join } from 'node:path';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { toAddress } from '../loopback.ts';
import { silentLogger, type Logger } from '../logger.ts';
import { SidecarError, type SidecarErrorCode } from '../sidecar-error.ts';
import { startSidecar, type Sidecar } from '../sidecar.ts';
import { HELP, parseOptions, type StandaloneOptions } from './options.ts';
import { UsageError } from './quantity.ts';

/** Where the program writes its lines, and what ends it. */
export interface StandaloneContext {
  readonly print: (line: string) => void;
  readonly note: (line: string) => void;
  readonly stop: AbortSignal;
  /** How it was called, for the help text. */
  readonly command: string;
}

/** 0 ended in order, 1 the database failed while running, 2 usage, 4 refused: port taken, folder locked or not writable. */
export type StandaloneExitCode = 0 | 1 | 2 | 4;

/** Runs a sidecar for itself, until told to stop. Never throws. */
export async function runStandalone(args: readonly string[], context: StandaloneContext): Promise<StandaloneExitCode> {
  const json = args.includes('--json');
  try {
    const options = parseOptions(args);
    if (options !== undefined) return await serve(options, context);
    context.print(
      `Usage: ${context.command} [options]\n\n${HELP}\nExample:\n  ${context.command} --data .dapr --retention 7d`,
    );
    return 0;
  } catch (error) {
    report(error, json, context);
    if (error instanceof UsageError) return 2;
    return error instanceof SidecarError && error.code !== 'DATABASE_FAILED' ? 4 : 1;
  }
}

async function serve(options: StandaloneOptions, context: StandaloneContext): Promise<0> {
  const { host, port, httpPort, durability, retention, maxMessageBytes, apiToken, dataFolder } = options;
  // It writes to standard error by itself what is reported below, and not as JSON.
  setLogVerbosity(logVerbosity.NONE);
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
  // It can only happen before anybody waits for it if the start fails, too, and then that is what is reported.
  ended.catch(() => {});
  await using sidecar = await startSidecar({
    path: join(dataFolder, 'engine.db'),
    host,
    port,
    httpPort,
    durability,
    retention,
    maxMessageBytes,
    quarantine: false,
    ...(apiToken !== undefined && { apiToken }),
    logger: createLogger(options.json, context),
    onFailure: fail,
  });
  announce(sidecar, options, context);
  if (context.stop.aborted) end();
  context.stop.addEventListener('abort', () => end(), { once: true });
  await ended;
  if (!options.json) context.note('stopping');
  return 0;
}

function announce(sidecar: Sidecar, options: StandaloneOptions, { print }: StandaloneContext): void {
  const { host, port, httpPort = options.httpPort, address } = sidecar;
  const { dataFolder, durability, retention, apiToken } = options;
  if (options.json) {
    const token = apiToken !== undefined;
    const listening = { type: 'listening', host, port, httpPort, dataFolder, durability, retention, token };
    print(JSON.stringify({ ...listening, pid: process.pid }));
    return;
  }
  print(`gRPC  ${address}`);
  print(`HTTP  http://${toAddress(host, httpPort)}/v1.0/workflows/dapr`);
  print(`data  ${dataFolder} (durability ${durability})`);
  print('');
  print('Point an SDK at it, in the environment of your program:');
  print(
    `  DAPR_GRPC_PORT=${port} DAPR_HTTP_PORT=${httpPort}${apiToken === undefined ? '' : ' DAPR_API_TOKEN=<the token>'}`,
  );
  print('');
  print('Ctrl-C ends it; what is running goes on with the next start.');
}

/** What to do about it. */
const ADVICE: Partial<Record<SidecarErrorCode, string>> = {
  ADDRESS_UNAVAILABLE: 'end what listens there (a daprd?), or take other ports: --port 0 --http-port 0',
  DATABASE_LOCKED: 'end that process, or give this one a folder of its own: --data',
  DATABASE_VERSION: 'use a newer version of this program, or another folder: --data',
  DATABASE_UNAVAILABLE: 'check that --data names a folder that can be written, on a disk with room',
  DATABASE_FAILED: 'see to the disk and start again: nothing that was confirmed is lost',
  TOKEN_REQUIRED: 'set DAPR_API_TOKEN, or name another variable with --token-from',
};

function report(error: unknown, json: boolean, { note, command }: StandaloneContext): void {
  const message = error instanceof Error ? error.message : String(error);
  const code =
    error instanceof UsageError ? 'INVALID_ARGUMENT' : error instanceof SidecarError ? error.code : 'INTERNAL';
  if (json) {
    note(JSON.stringify({ error: { code, message, retryable: false } }));
    return;
  }
  note(`error: ${message}`);
  const advice = error instanceof UsageError ? `"${command} --help" shows the options` : adviceFor(error);
  if (advice !== undefined) note(advice);
}

function adviceFor(error: unknown): string | undefined {
  return error instanceof SidecarError ? ADVICE[error.code] : undefined;
}

/** Warnings and errors only, to standard error. */
function createLogger(json: boolean, { note }: StandaloneContext): Logger {
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      const details = Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? value.message : value]),
      );
      note(json ? JSON.stringify({ level, message, ...details }) : `${level}: ${message} ${JSON.stringify(details)}`);
    };
  return { ...silentLogger, warn: write('warning'), error: write('error') };
}
