import { fileURLToPath } from 'node:url';
import { collectData, loadCard } from '@daca-mesh/agent-cards';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config, OtherServer } from './config.ts';
import { dialProgram, dialTables, dialUrl } from './mcp/dial.ts';
import { ToolServer, type ToolServerOptions } from './mcp/tool-server.ts';
import { createSampleDatabase } from './sample-database.ts';
import { createCollector } from './skills/collect-data.ts';
import { createFiles } from './sources/files.ts';
import { createTables } from './sources/tables.ts';

/** Starts the data collector. The MCP servers are started when they are first needed, and end with it. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const database = config.database ?? createSampleDatabase(config.dataPath);
  const { files, tables, others } = createToolServers(config, database, logger);
  const collect = createCollector({
    files: createFiles(config.folder, files),
    tables: createTables(tables),
    servers: new Map([...others, ['files', files], ['tables', tables]]),
  });
  const resources = new AsyncDisposableStack();
  // All at once: each waits for a program to end.
  resources.defer(async () => {
    await Promise.all([files, tables, ...others.values()].map((server) => server.close()));
  });
  return createAgentServer({
    ...serverSettings(config),
    card: loadCard('data-collector'),
    skills: { 'collect-data': skill(collectData, collect) },
    resources,
    logger,
  });
}

const filesystemServer = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'));

function createToolServers(
  { folder, otherServers, toolTimeoutMs: timeoutMs }: Config,
  database: string,
  logger: Logger,
) {
  const create = (name: string, tools: readonly string[], dial: ToolServerOptions['dial']): ToolServer =>
    new ToolServer({ name, tools, dial, timeoutMs, logger });
  return {
    files: create('files', ['search_files', 'read_text_file'], () =>
      dialProgram(process.execPath, [filesystemServer, folder]),
    ),
    tables: create('tables', ['list_tables', 'describe_table', 'query'], (signal) => dialTables(database, signal)),
    others: new Map(otherServers.map((other) => [other.name, create(other.name, other.tools, () => dialOther(other))])),
  };
}

const dialOther = ({ command, args, url, token }: OtherServer) =>
  command === undefined ? dialUrl(url ?? '', token) : dialProgram(command, args);
