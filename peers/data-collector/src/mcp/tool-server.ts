import { Client, isCallToolResult, SdkErrorCode, type Transport } from '@modelcontextprotocol/client';
import { MeshError } from '@daca-mesh/protocol';
import type { Logger } from 'pino';

/** A way to reach an MCP server: made anew for every connection. */
export interface Dial {
  transport: Transport;
  /** Ends what was started for the connection, at once. */
  kill(): void;
}

/** A server that has to be started, perhaps on a busy machine, may take longer than one that runs takes to answer. */
const connectTimeoutMs = 30_000;

/** How an MCP server is used. */
export interface ToolServerOptions {
  name: string;
  dial: (signal: AbortSignal) => Promise<Dial>;
  /** The tools that may be used; all others are refused before anything is sent. */
  tools: readonly string[];
  /** Time limit of one call. */
  timeoutMs: number;
  logger: Logger;
}

/** What a tool said. */
export interface ToolReply {
  text: string;
  structured: Record<string, unknown> | undefined;
}

interface Connection extends Dial {
  client: Client;
}

/**
 * An MCP server as the agent uses it: connected when it is first needed, and again when it died. What it is used for
 * changes nothing, so a call that was cut off is made a second time. A server that does not answer in time is ended.
 */
export class ToolServer {
  readonly #options: ToolServerOptions;
  #connecting: Promise<Connection> | undefined;
  /** Stands for the connection that is used; one that is gone must not forget its successor. */
  #current: object | undefined;
  readonly #closing = new AbortController();

  constructor(options: ToolServerOptions) {
    this.#options = options;
  }

  /**
   * Calls a tool. @throws MeshError `TOOL_NOT_ALLOWED`, `DEADLINE_EXCEEDED`, `UNAVAILABLE`, `CANCELED`, and `PEER_FAILED`
   * for what the tool itself refused.
   */
  async call(tool: string, input: Record<string, unknown>, signal: AbortSignal): Promise<ToolReply> {
    const { name, tools } = this.#options;
    if (!tools.includes(tool)) {
      throw new MeshError('TOOL_NOT_ALLOWED', `the tool ${name}/${tool} may not be used`, { details: { tools } });
    }
    try {
      return await this.#attempt(tool, input, signal);
    } catch (error) {
      if (!isCutOff(error) || signal.aborted) throw this.#toMeshError(error, signal);
    }
    try {
      return await this.#attempt(tool, input, signal);
    } catch (error) {
      throw this.#toMeshError(error, signal);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const connection = await this.#connecting?.catch(() => undefined);
    await connection?.client.close();
    connection?.kill();
  }

  async #attempt(tool: string, input: Record<string, unknown>, signal: AbortSignal): Promise<ToolReply> {
    const { timeoutMs, name } = this.#options;
    const { client } = await (this.#connecting ??= this.#connect());
    try {
      const result = await client.callTool(
        { name: tool, arguments: input },
        { timeout: timeoutMs, signal: AbortSignal.any([signal, this.#closing.signal]) },
      );
      if (!isCallToolResult(result)) throw new MeshError('PEER_FAILED', `${name}/${tool} answered in an unknown form`);
      const text = result.content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
      if (result.isError) throw new MeshError('PEER_FAILED', `${name}/${tool}: ${text.slice(0, 500)}`);
      return { text, structured: toObject(result.structuredContent) };
    } catch (error) {
      if (codeOf(error) === SdkErrorCode.RequestTimeout || isCutOff(error)) await this.#drop(client);
      throw error;
    }
  }

  async #connect(): Promise<Connection> {
    const { name, dial, logger } = this.#options;
    let dialed: Dial | undefined;
    const self = {};
    this.#current = self;
    const forget = (): void => {
      if (this.#current === self) this.#connecting = undefined;
    };
    try {
      dialed = await dial(AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectTimeoutMs)]));
      const { transport } = dialed;
      const kill = (): void => dialed?.kill();
      const client = new Client({ name: 'data-collector', version: '0.1.0' });
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's client has no other way to listen
      client.onclose = () => {
        forget();
        kill();
        if (!this.#closing.signal.aborted) logger.warn({ server: name }, 'an MCP server is gone');
      };
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the same
      client.onerror = (err) => logger.debug({ err, server: name }, 'an MCP connection had an error');
      await client.connect(transport, { timeout: connectTimeoutMs });
      logger.info({ server: name }, 'an MCP server is connected');
      return { client, kill, transport };
    } catch (error) {
      forget();
      dialed?.kill();
      throw error;
    }
  }

  /** A server that hangs, or has forgotten the session, will not answer the next call either. */
  async #drop(client: Client): Promise<void> {
    const connection = await this.#connecting?.catch(() => undefined);
    if (connection?.client !== client) return;
    connection.kill();
    await client.close();
  }

  #toMeshError(error: unknown, signal: AbortSignal): MeshError {
    if (error instanceof MeshError) return error;
    const { name, timeoutMs } = this.#options;
    if (signal.aborted) return new MeshError('CANCELED', 'the task was canceled', { cause: error });
    if (codeOf(error) === SdkErrorCode.RequestTimeout) {
      return new MeshError('DEADLINE_EXCEEDED', `${name} did not answer within ${timeoutMs} ms`, {
        retryable: true,
        cause: error,
      });
    }
    if (isProtocolError(error)) return new MeshError('PEER_FAILED', `${name}: ${error.message}`, { cause: error });
    return new MeshError('UNAVAILABLE', `${name} cannot be reached`, { retryable: true, cause: error });
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** The connection is gone: the program ended, nobody listens, or a server that was started again refuses the session. */
function isCutOff(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined || code === SdkErrorCode.ConnectionClosed) return true;
  return typeof code === 'string' && code.startsWith('CLIENT_HTTP_');
}

/** An error the server sent: JSON-RPC codes are numbers, the SDK's own are words. */
const isProtocolError = (error: unknown): error is Error & { code: number } => typeof codeOf(error) === 'number';

const toObject = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
