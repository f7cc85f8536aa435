import { AgentCard } from '@a2a-js/sdk';
import { extensionUris } from '../../extensions.ts';
import { parseAgentConfig, serverSettings } from '../../server/agent-config.ts';
import { createAgentServer } from '../../server/agent-server.ts';
import { runAgent } from '../../server/run-agent.ts';
import { modelFromEnvironment } from '../index.ts';
import { errandSkills } from './errand-agent.ts';

/** The porter as a process, to be killed. */

const environment = process.argv[2] ?? '{}';
// The test passes the environment as an argument, a JSON object of strings.
await runAgent(parseAgentConfig(JSON.parse(environment) as Record<string, string>), async (config, logger) => {
  const skills = errandSkills(config.dataPath, () => modelFromEnvironment({}));
  return createAgentServer({
    card: AgentCard.fromJSON({
      name: 'porter',
      supportedInterfaces: [{ url: '', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      capabilities: { extensions: [{ uri: extensionUris.skill }, { uri: extensionUris.idempotency }] },
      skills: Object.keys(skills).map((id) => ({ id, name: id })),
    }),
    skills,
    logger,
    ...serverSettings(config),
  });
});
