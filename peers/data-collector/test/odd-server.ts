import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });

/** A program that speaks MCP and misbehaves as it is told. */
serveStdio(() => {
  const server = new McpServer({ name: 'odd', version: '1.0.0' });
  const inputSchema = z.object({ say: z.string() });
  server.registerTool('echo', { inputSchema }, ({ say }) => text(say));
  server.registerTool('secret', { inputSchema }, () => text('secret'));
  server.registerTool('hang', { inputSchema }, () => new Promise<never>(() => undefined));
  server.registerTool('die', { inputSchema }, () => process.exit(1));
  server.registerTool('fail', { inputSchema }, () => {
    throw new Error('it does not work');
  });
  return server;
});
