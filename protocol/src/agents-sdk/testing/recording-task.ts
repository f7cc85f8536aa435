import type { ArtifactFields, TaskHandle } from '../../server/skill.ts';

/** A task that keeps what a run streams and tells, and whose effects simply happen. */
export function recordingTask(signal: AbortSignal = new AbortController().signal) {
  const chunks: ArtifactFields[] = [];
  const updates: unknown[] = [];
  const metadata: Record<string, unknown> = {};
  const task: TaskHandle = {
    id: 't1',
    contextId: 'c1',
    effectKey: 'e1',
    signal,
    artifact: async (fields) => void chunks.push(fields),
    update: async (text, data) => void updates.push([text, data]),
    annotate: (added) => void Object.assign(metadata, added),
    once: (_key, effect) => effect(),
    idempotencyKey: (key) => key,
    ask: () => Promise.reject(new Error('nothing is to be asked here')),
  };
  return { chunks, updates, metadata, task };
}
