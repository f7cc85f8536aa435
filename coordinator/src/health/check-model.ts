import { isMeshError } from '@daca-mesh/protocol';
import { type HttpClient, nodeHttpClient } from '@daca-mesh/protocol/client';
import type { Reading } from '../workflows/health/reading.ts';

/** The OpenAI-compatible endpoint the agents use. */
export interface ModelEndpoint {
  /** As `OPENAI_BASE_URL` is: ends before `/models`. */
  url: string;
  apiKey?: string | undefined;
}

const limitMs = 10_000;
const maxBodyBytes = 4 * 1024 * 1024;

/** Whether the model endpoint lists its models. Agents on the offline model have none, and it is always well. */
export async function checkModel(
  endpoint: ModelEndpoint | undefined,
  http: HttpClient = nodeHttpClient,
): Promise<Reading[]> {
  if (!endpoint) return [];
  const startedAt = performance.now();
  const problem = await findProblem(endpoint, http);
  const latencyMs = Math.round(performance.now() - startedAt);
  return [{ target: 'model', kind: 'model', ...(problem === undefined ? { latencyMs } : { problem }) }];
}

async function findProblem({ url, apiKey }: ModelEndpoint, http: HttpClient): Promise<string | undefined> {
  try {
    const { status } = await http.fetch({
      method: 'GET',
      url: `${url.replace(/\/+$/u, '')}/models`,
      headers: { accept: 'application/json', ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) },
      connectTimeoutMs: limitMs / 2,
      timeoutMs: limitMs,
      maxBodyBytes,
    });
    // An endpoint without a list of models is there all the same.
    return status < 400 || status === 404 ? undefined : `its endpoint answers with status ${status}`;
  } catch (error) {
    // The message of a foreign error could hold the key.
    return isMeshError(error) ? error.message : 'its endpoint cannot be reached';
  }
}
