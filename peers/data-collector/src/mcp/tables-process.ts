import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { createTablesServer } from './tables-server.ts';

/** The process of the tables' MCP server: `tables-process.ts <database>`, its token and its address over IPC. */
const [, , path = ''] = process.argv;
process.once('disconnect', () => process.exit());
const [{ token }] = await once(process, 'message');
const expected = Buffer.from(`Bearer ${token}`);

const database = new DatabaseSync(path, { readOnly: true, readBigInts: true });
const handle = toNodeHandler(createMcpHandler(() => createTablesServer(database)));
const isHost = localhostHostValidation();
const isOrigin = localhostOriginValidation();

const server = createServer((request, response) => {
  if (!isHost(request, response) || !isOrigin(request, response)) return;
  const given = Buffer.from(request.headers.authorization ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    response.writeHead(401).end();
    return;
  }
  // Fields that Node's type has as undefined, the SDK's leaves out.
  void handle(request as Parameters<typeof handle>[0], response);
});
server.listen(0, '127.0.0.1', () => {
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}/mcp` });
});
