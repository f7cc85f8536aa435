import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const afterStartMs = 1_500;

/**
 * Gives the memory that starting took back to the operating system, once, when the start is over. Loading hundreds of
 * modules grows V8's heap, and a process that then waits for work never collects it by itself: measured, an idle agent
 * keeps 54 MiB instead of 37, the coordinator 94 instead of 52.
 */
export function releaseStartMemory(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    // What the flag puts into every context made from now on.
    const collect = runInNewContext('gc') as NodeJS.GCFunction;
    setFlagsFromString('--no-expose-gc');
    // The only flavor that shrinks the young generation too.
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  }, afterStartMs).unref();
}
