import type { Logger } from 'pino';

const maxLength = 200;

/**
 * The A2A SDK and other libraries write to the console; standard output belongs to the log. What they write is cut: the
 * client of a model, for one, writes whole pieces of answers that it cannot read.
 */
export function routeConsole(logger: Logger): void {
  const library = logger.child({ source: 'console' });
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (...values: unknown[]): void =>
      library[level]({ values: values.slice(0, 10).map(cut) }, 'console output');
  Object.assign(console, {
    log: write('info'),
    info: write('info'),
    debug: write('debug'),
    warn: write('warn'),
    error: write('error'),
  });
}

function cut(value: unknown): string {
  const text = String(value);
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`;
}
