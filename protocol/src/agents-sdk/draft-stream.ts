import { textPart } from '../parts.ts';
import type { TaskHandle } from '../server/skill.ts';

const flushEveryMs = 50;

/** A text that is streamed as chunks of one artifact while it is written. */
export interface DraftStream extends Disposable {
  /** Tells how the text can be read, when its next chunk is due; it only ever grows. */
  show(read: () => string): void;
  /** Waits until everything shown is stored. @throws what storing it threw. */
  end(): Promise<void>;
}

/**
 * Streams a draft in chunks of at least 50 ms. A text that is finished sooner is never streamed: its result comes with
 * the next event anyway, and every chunk costs a commit.
 */
export function createDraftStream(task: Pick<TaskHandle, 'artifact' | 'id'>): DraftStream {
  const artifactId = `draft-${task.id}`;
  let read: (() => string) | undefined;
  let stored = 0;
  let timer: NodeJS.Timeout | undefined;
  let storing: Promise<void> = Promise.resolve();
  let failure: unknown;

  const store = (lastChunk: boolean): Promise<void> => {
    timer = undefined;
    const chunk = read?.().slice(stored) ?? '';
    if (chunk === '') return storing;
    const append = stored > 0;
    stored += chunk.length;
    storing = storing
      .then(() => task.artifact({ artifactId, name: 'draft', parts: [textPart(chunk)], append, lastChunk }))
      .catch((error: unknown) => {
        failure ??= error;
      });
    return storing;
  };
  return {
    show(next) {
      read = next;
      timer ??= setTimeout(() => void store(false), flushEveryMs);
    },
    async end() {
      clearTimeout(timer);
      if (stored > 0) await store(true);
      await storing;
      if (failure !== undefined) throw failure;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
