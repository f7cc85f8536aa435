import { getDefaultModel, type Model, OpenAIProvider, setTraceProcessors, setTracingDisabled } from '@openai/agents';
import { OfflineModel, offlineModelName } from './offline-model.ts';

/** The part of an agent's environment that chooses its model, spelt as its owners spell it. */
export interface ModelEnvironment {
  OPENAI_API_KEY?: string | undefined;
  /** An OpenAI-compatible endpoint; spoken to by Chat Completions, which all of them have. */
  OPENAI_BASE_URL?: string | undefined;
  /** The model's name, or `offline`. */
  MESH_MODEL?: string | undefined;
}

/** A model and the name its results carry. */
export interface ChosenModel {
  model: Model;
  name: string;
}

/**
 * The model an environment asks for: OpenAI's, one behind any compatible endpoint, or without key and endpoint the
 * {@link OfflineModel}. Switches off the SDK's export of traces, which would send prompts to a third party.
 */
export async function modelFromEnvironment(environment: ModelEnvironment): Promise<ChosenModel> {
  setTracingDisabled(true);
  setTraceProcessors([]);
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseURL, MESH_MODEL: wanted } = environment;
  if (wanted === offlineModelName || (!apiKey && !baseURL)) {
    return { model: new OfflineModel(), name: offlineModelName };
  }
  const name = wanted || getDefaultModel();
  const provider = new OpenAIProvider({
    // A local endpoint takes any key, but the client refuses to start without one.
    apiKey: apiKey || 'none',
    useResponses: !baseURL || new URL(baseURL).hostname === 'api.openai.com',
    ...(baseURL ? { baseURL } : {}),
  });
  return { model: await provider.getModel(name), name };
}
