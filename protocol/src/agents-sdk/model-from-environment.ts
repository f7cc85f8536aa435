import { getDefaultModel, type Model, OpenAIProvider, setTraceProcessors, setTracingDisabled } from '@openai/agents';
import { OfflineModel, offlineModelName } from './offline/offline-model.ts';

/** The part of an agent's environment that chooses its model, spelt as its owners spell it. */
export interface ModelEnvironment {
  OPENAI_API_KEY?: string | undefined;
  /** An OpenAI-compatible endpoint. */
  OPENAI_BASE_URL?: string | undefined;
  /** How it is spoken to: by default Responses at OpenAI, and Chat Completions, which all have, at any other endpoint. */
  MESH_MODEL_API?: 'chat' | 'responses' | undefined;
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
    useResponses: (environment.MESH_MODEL_API ?? defaultApi(baseURL)) === 'responses',
    ...(baseURL ? { baseURL } : {}),
  });
  return { model: await provider.getModel(name), name };
}

const defaultApi = (baseUrl: string | undefined): 'chat' | 'responses' =>
  !baseUrl || new URL(baseUrl).hostname === 'api.openai.com' ? 'responses' : 'chat';
