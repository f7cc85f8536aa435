/** Asks the process to stop in order, and to stop at once. */
export interface StopSignals extends Disposable {
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP. */
  readonly stop: AbortSignal;
  /** Aborts at a further one. */
  readonly force: AbortSignal;
}

/** One Ctrl-C arrives several times: from the terminal, and handed on by npm and by the bootstrap. */
const sameKeystrokeMs = 500;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Takes over the signals that would end this process, until disposed. */
export function watchStopSignals(): StopSignals {
  const stop = new AbortController();
  const force = new AbortController();
  let stoppedAt = 0;
  const onSignal = () => {
    if (!stop.signal.aborted) {
      stoppedAt = Date.now();
      stop.abort();
    } else if (Date.now() - stoppedAt > sameKeystrokeMs) {
      force.abort();
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    stop: stop.signal,
    force: force.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
