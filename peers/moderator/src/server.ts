import {
  loadCard,
  scoreSpam as spam,
  scoreToxicity as toxicity,
  scoreViolence as violence,
} from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { type AgentServer, createAgentServer, serverSettings, skill, type Skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { scoreSpam } from './skills/score-spam.ts';
import { scoreToxicity } from './skills/score-toxicity.ts';
import { scoreViolence } from './skills/score-violence.ts';

/** The agents this package can be, by card. */
const skillsByCard: ReadonlyMap<string, Record<string, Skill>> = new Map([
  ['moderator-toxicity', { 'score-toxicity': skill(toxicity, async ({ input }) => scoreToxicity(input)) }],
  ['moderator-spam', { 'score-spam': skill(spam, async ({ input }) => scoreSpam(input)) }],
  ['moderator-violence', { 'score-violence': skill(violence, async ({ input }) => scoreViolence(input)) }],
]);

/** Starts the agent whose card the settings name. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const skills = skillsByCard.get(config.card);
  if (!skills) {
    throw new MeshError('INVALID_ARGUMENT', `MESH_CARD must be one of ${[...skillsByCard.keys()].join(', ')}`);
  }
  return createAgentServer({ ...serverSettings(config), card: loadCard(config.card), skills, logger });
}
