import { type Logger, pino } from 'pino';
import type { AgentConfig } from './agent-config.ts';
import { configureKillPoint } from './kill-point.ts';
import { releaseStartMemory } from './release-memory.ts';
import { routeConsole } from './route-console.ts';

/** A server as {@link runAgent} sees it. */
export interface RunningServer {
  readonly url: string;
  /** Resolves when the process must stop and recover from disk. */
  readonly failed?: Promise<Error>;
  close(): Promise<void>;
}

/** A logger that writes JSON lines to standard output and never a credential. */
export const createLogger = (name: string, level: AgentConfig['logLevel']): Logger =>
  pino({
    name,
    level,
    redact: ['token', '*.token', 'authorization', '*.authorization', '*.headers.authorization'],
  });

/**
 * Runs an agent as a process: starts it, logs one line `listening` with its `url`, and drains it at SIGTERM or SIGINT.
 * Ends with code 1 when it cannot start or when its store failed.
 */
export async function runAgent<Config extends AgentConfig>(
  config: Config,
  start: (config: Config, logger: Logger) => Promise<RunningServer>,
  logger: Logger = createLogger(config.card ?? 'agent', config.logLevel),
): Promise<void> {
  configureKillPoint({ at: config.killAt, dataPath: config.dataPath });
  routeConsole(logger);
  let server: RunningServer;
  try {
    server = await start(config, logger);
  } catch (error) {
    logger.fatal({ err: error }, 'the agent could not start');
    process.exitCode = 1;
    return;
  }
  logger.info({ url: server.url, pid: process.pid }, 'listening');
  releaseStartMemory();
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stopping');
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'the agent could not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  void server.failed?.then((error) => {
    logger.fatal({ err: error }, 'the store failed; the process must restart and recover');
    process.exit(1);
  });
}
