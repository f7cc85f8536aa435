import { describePeerContract } from '@daca-mesh/protocol/testing';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

const cards = {
  'moderator-toxicity': 'score-toxicity',
  'moderator-spam': 'score-spam',
  'moderator-violence': 'score-violence',
};

for (const [card, skill] of Object.entries(cards)) {
  describePeerContract(card, {
    start: ({ dataDir, token, env }) => {
      const config = parseConfig({
        MESH_LOG_LEVEL: 'silent',
        ...env,
        MESH_CARD: card,
        MESH_DATA: dataDir,
        MESH_TOKEN: token,
      });
      return createServer(config, createLogger(config));
    },
    samples: { [skill]: { valid: { text: 'Good morning.' }, invalid: { text: '' } } },
  });
}

describe('createServer', () => {
  it('names the cards there are when asked for another', async () => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', MESH_CARD: 'writer' });
    await expect(createServer(config, createLogger(config))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('moderator-spam'),
    });
  });
});
