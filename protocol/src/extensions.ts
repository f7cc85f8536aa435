/**
 * The extensions this mesh speaks, by URI. All are optional (`required: false`): a client that knows none of them
 * meets a plain A2A v1.0 agent. Extension data travels only in `metadata[<uri>]` (A2A specification, section 4.6).
 */
export const extensionUris = {
  /** Names the skill a message is meant for: `{ id }`. On a card: `{ schemas: { <skillId>: { input, output } } }`. */
  skill: 'urn:daca-mesh:ext:skill:v1',
  /** Idempotent sends. On a message: `{ effectKey }`. On a card: `{ windowDays }`. */
  idempotency: 'urn:daca-mesh:ext:idempotency:v1',
  /** How long a non-blocking send may wait for a fast result: `{ ms }`, at most 2,000. */
  linger: 'urn:daca-mesh:ext:linger:v1',
  /** The task's generation an event or snapshot belongs to: `{ n }`. */
  generation: 'urn:daca-mesh:ext:generation:v1',
  /** The open question behind INPUT_REQUIRED: a {@link Question}. */
  question: 'urn:daca-mesh:ext:question:v1',
  /** The chain of delegation: `{ root, path, depth, budget?, remainingMs?, deadline? }`. */
  chain: 'urn:daca-mesh:ext:chain:v1',
  /** On a result made by a model: what it took, `{ model, requests, inputTokens, outputTokens }`. */
  usage: 'urn:daca-mesh:ext:usage:v1',
} as const;

/** Reads one extension's data out of a metadata object; undefined where it is missing or not an object. */
export function extensionData(
  metadata: Record<string, unknown> | undefined,
  uri: string,
): Record<string, unknown> | undefined {
  const data = metadata?.[uri];
  return typeof data === 'object' && data !== null && !Array.isArray(data)
    ? // An object that is no array is indexable by string.
      (data as Record<string, unknown>)
    : undefined;
}
