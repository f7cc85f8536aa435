import { format, loadCard } from '@daca-mesh/agent-cards';
import { createAgentServer, createLogger, skill } from '@daca-mesh/protocol/server';

/** The agent under measurement, a process of its own: `node echo-agent.ts <database file> <full|normal>`. */

const [path = '', durability = 'full'] = process.argv.slice(2);

const server = await createAgentServer({
  card: loadCard('formatter'),
  // A skill that does nothing, so that only the kit is measured.
  skills: { format: skill(format, async ({ input }) => ({ content: input.text, mediaType: 'text/plain' })) },
  database: { path, durability: durability === 'normal' ? 'normal' : 'full' },
  logger: createLogger('echo', 'warn'),
});
process.send?.(server.url);
process.on('message', () => process.send?.(process.cpuUsage()));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
