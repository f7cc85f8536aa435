import { expect, it } from 'vitest';
import { parseConfig } from './config.ts';

it('needs nothing but has bounds, and names every variable in error', () => {
  expect(parseConfig({})).toMatchObject({ modelTimeoutMs: 120_000, host: '127.0.0.1' });
  expect(() => parseConfig({ OPENAI_BASE_URL: 'ftp://x', MESH_MODEL_TIMEOUT: '0' })).toThrow(
    /OPENAI_BASE_URL[\s\S]*MESH_MODEL_TIMEOUT/,
  );
});
