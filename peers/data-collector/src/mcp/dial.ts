import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';
import type { Dial } from './tool-server.ts';

/** A message holds a file twice, as text and as structure. */
const maxMessageBytes = 32 * 1024 * 1024;

/** Starts a program that speaks MCP on its standard input and output. It ends when its input does. */
export async function dialProgram(command: string, args: readonly string[]): Promise<Dial> {
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    stderr: 'ignore',
    maxBufferSize: maxMessageBytes,
  });
  const kill = (): void => {
    const { pid } = transport;
    if (pid !== null) killProcess(pid);
  };
  return { transport, kill };
}

/** Reaches an MCP server over streamable HTTP. */
export async function dialUrl(url: string, token: string | undefined): Promise<Dial> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers, redirect: 'error' },
  });
  return { transport, kill: () => undefined };
}

const Listening = z.object({ url: z.url() });

/**
 * Starts the server of the tables, a process of its own: a query that does not end can be ended with it. It listens on
 * this machine only, takes requests with a token that nobody else knows, and ends with this process.
 */
export async function dialTables(database: string, signal: AbortSignal): Promise<Dial> {
  const token = randomBytes(32).toString('base64url');
  const script = fileURLToPath(new URL('tables-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, database], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: getDefaultEnvironment(),
  });
  try {
    child.send({ token });
    // The first message is the only one.
    const [message] = (await Promise.race([once(child, 'message', { signal }), failed(child)])) as [unknown];
    const { transport } = await dialUrl(Listening.parse(message).url, token);
    child.once('exit', () => void transport.close());
    return { transport, kill: () => void child.kill('SIGKILL') };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

async function failed(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`the server of the tables ended with ${code}`);
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
