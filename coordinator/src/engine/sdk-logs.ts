import type { Logger } from 'pino';
import { ConsoleLoggerService } from './sdk.ts';

const silent = (): void => undefined;
/** The supervisor tells that better, and once instead of with every try. */
const connectionTrouble = /Error on grpc stream|Worker failed/;

/**
 * The workflow code of the SDK ignores its own logger option and prints four lines and more per work item through this
 * class. Its methods are pointed at our logger: the global console stays untouched. What the SDK calls information
 * repeats for every turn, so it is dropped. The SDK is one per process, and so is this: the latest logger counts.
 */
export function routeSdkLogs(logger: Logger): void {
  Object.assign(ConsoleLoggerService.prototype, {
    // To the SDK a run that fails as its author meant it to is an error of the program.
    error: (message: string, ...more: unknown[]) =>
      logger[connectionTrouble.test(message) ? 'debug' : 'warn']({ sdk: message, more }, 'workflow SDK'),
    warn: (message: string, ...more: unknown[]) => logger.debug({ sdk: message, more }, 'workflow SDK'),
    info: silent,
    verbose: silent,
    debug: silent,
  });
}
