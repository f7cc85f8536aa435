import { OpenAIChatCompletionsModel, OpenAIResponsesModel } from '@openai/agents';
import { expect, it } from 'vitest';
import { modelFromEnvironment, OfflineModel } from './index.ts';

const compatible = 'http://127.0.0.1:1/v1';

it.each([
  [{}, OfflineModel, 'offline'],
  [{ OPENAI_BASE_URL: '' }, OfflineModel, 'offline'],
  [{ OPENAI_API_KEY: 'k', MESH_MODEL: 'offline' }, OfflineModel, 'offline'],
  [{ OPENAI_API_KEY: 'k', MESH_MODEL: 'm' }, OpenAIResponsesModel, 'm'],
  [{ OPENAI_API_KEY: 'k', MESH_MODEL: 'm', MESH_MODEL_API: 'chat' }, OpenAIChatCompletionsModel, 'm'],
  [{ OPENAI_BASE_URL: 'https://api.openai.com/v1', MESH_MODEL: 'm' }, OpenAIResponsesModel, 'm'],
  [{ OPENAI_BASE_URL: compatible, MESH_MODEL: 'm' }, OpenAIChatCompletionsModel, 'm'],
  [{ OPENAI_BASE_URL: compatible, MESH_MODEL: 'm', MESH_MODEL_API: 'responses' }, OpenAIResponsesModel, 'm'],
] as const)('%o chooses %o', async (environment, kind, name) => {
  const chosen = await modelFromEnvironment(environment);
  expect(chosen.model).toBeInstanceOf(kind);
  expect(chosen.name).toBe(name);
});
