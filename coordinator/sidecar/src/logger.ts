/** The part of a logger the sidecar uses; a pino logger fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const ignore = (): void => {};

/** Logs nothing: what a library does until its caller says where to. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
