import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '@daca-mesh/protocol';

/**
 * Large values stay out of the engine's history, which is read again at every turn: they are stored once by the digest
 * of their JSON, and travel as references. What a digest stands for never changes, so that reading it during a replay is
 * as deterministic as reading it from the history. A reference stands beside the field it replaces, never inside a
 * value, so that no value of a user can be taken for one.
 */

/** Stands for a large value. */
export interface PayloadRef {
  /** `sha256:` and the digest of the value's JSON, in hex. */
  $ref: string;
  /** How long that JSON is, in UTF-8. */
  bytes: number;
}

/** Where large values are kept: at least as long as a run that refers to them. */
export interface PayloadStore {
  /** Keeps a text for a run; again, it changes nothing. */
  put(runId: string, ref: PayloadRef, json: string): Promise<void>;
  /** The text, or undefined where it is gone. */
  get(ref: PayloadRef): Promise<string | undefined>;
}

/** A value under its name, or a reference to it. */
export type Carried<Name extends string, Value = unknown> = { [N in Name]: Value } | { ref: PayloadRef };

/** Longest JSON that travels itself. */
export const inlineBytes = 16 * 1024;
/** Longest output that the engine's own API shows itself: no turn reads it again. */
export const shownBytes = 256 * 1024;
/** Longest JSON that is stored. */
export const maxPayloadBytes = 16 * 1024 * 1024;
/** Longest JSON of an output: it travels with other things. */
const maxOutputBytes = maxPayloadBytes - 1024 * 1024;

const retryMs = 1_000;
const maxCachedBytes = 32 * 1024 * 1024;
const maxKnown = 10_000;

/** Turns large values into references and back. Without a store every value travels itself. */
export class Payloads {
  readonly #store: PayloadStore | undefined;
  /** What was stored by this process: a replay packs the same values again. */
  readonly #known = new Set<string>();
  readonly #texts = new Map<string, string>();
  #cachedBytes = 0;

  constructor(store?: PayloadStore) {
    this.#store = store;
  }

  /** @throws MeshError `PAYLOAD_TOO_LARGE`. */
  async pack<Name extends string, Value>(
    runId: string,
    name: Name,
    value: Value,
    maxInlineBytes = inlineBytes,
  ): Promise<Carried<Name, Value>> {
    // The one property of the first form.
    const whole = { [name]: value } as { [N in Name]: Value };
    if (!this.#store) return whole;
    const json = JSON.stringify(value ?? null);
    const bytes = Buffer.byteLength(json);
    if (bytes <= maxInlineBytes) return whole;
    requireBytes(bytes, maxPayloadBytes);
    const ref = { $ref: `sha256:${hash('sha256', json)}`, bytes };
    await this.#keep(this.#store, runId, ref, json);
    return { ref };
  }

  /**
   * Refuses an output that could not be packed, while there is still somebody who can make a failure of it.
   * @throws MeshError `PAYLOAD_TOO_LARGE`.
   */
  requireFitting(output: unknown): void {
    if (this.#store) requireBytes(Buffer.byteLength(JSON.stringify(output ?? null)), maxOutputBytes);
  }

  /** @throws MeshError `PAYLOAD_MISSING`. */
  async unpack<Name extends string, Value>(name: Name, carrier: Carried<Name, Value>): Promise<Value> {
    if (!('ref' in carrier)) return carrier[name];
    const { ref } = carrier;
    const json = this.#texts.get(ref.$ref) ?? (await this.#load(ref));
    // Stored by `pack` from a value of this type.
    return JSON.parse(json) as Value;
  }

  async #keep(store: PayloadStore, runId: string, ref: PayloadRef, json: string): Promise<void> {
    const key = `${runId}/${ref.$ref}`;
    if (this.#known.has(key)) return;
    await untilDone(() => store.put(runId, ref, json));
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.add(key);
    this.#cache(ref, json);
  }

  async #load(ref: PayloadRef): Promise<string> {
    const json = await untilDone(async () => this.#store?.get(ref));
    if (json === undefined) {
      // Whoever packs it again stores it again.
      for (const key of this.#known) if (key.endsWith(ref.$ref)) this.#known.delete(key);
      throw new MeshError('PAYLOAD_MISSING', `the value ${ref.$ref} (${ref.bytes} bytes) is not stored any more`, {
        // A store that was put back has it again.
        retryable: true,
        details: { ...ref },
      });
    }
    this.#cache(ref, json);
    return json;
  }

  #cache({ $ref, bytes }: PayloadRef, json: string): void {
    if (this.#texts.has($ref) || bytes > maxCachedBytes / 4) return;
    this.#texts.set($ref, json);
    this.#cachedBytes += bytes;
    for (const [oldest, text] of this.#texts) {
      if (this.#cachedBytes <= maxCachedBytes) return;
      this.#texts.delete(oldest);
      this.#cachedBytes -= Buffer.byteLength(text);
    }
  }
}

function requireBytes(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new MeshError('PAYLOAD_TOO_LARGE', `a value of ${bytes} bytes is more than the ${maxBytes} allowed`, {
    details: { bytes, maxBytes },
  });
}

/** A store that does not answer is no reason to end a turn: whatever the workflow did then would be recorded. */
async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await sleep(retryMs, undefined, { ref: false });
    }
  }
}
