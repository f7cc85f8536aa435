import type { PayloadStore } from '../payloads.ts';

/** A store of large values in memory. */
export class MemoryPayloads implements PayloadStore {
  readonly texts = new Map<string, string>();
  /** How often a text was stored. */
  puts = 0;

  async put(_runId: string, { $ref }: { $ref: string }, json: string): Promise<void> {
    this.puts++;
    this.texts.set($ref, json);
  }

  async get({ $ref }: { $ref: string }): Promise<string | undefined> {
    return this.texts.get($ref);
  }
}
