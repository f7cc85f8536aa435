import type { collectData, Source } from '@daca-mesh/agent-cards';
import { isMeshError, MeshError } from '@daca-mesh/protocol';
import type { SkillContext } from '@daca-mesh/protocol/server';
import type { z } from 'zod';
import type { ToolServer } from '../mcp/tool-server.ts';
import { clippedText } from '../sources/clipped-text.ts';
import type { Files } from '../sources/files.ts';
import type { Tables } from '../sources/tables.ts';

type Input = z.output<typeof collectData.input>;
type Output = z.output<typeof collectData.output>;

/** Where data comes from. */
export interface Collectables {
  files: Files;
  tables: Tables;
  /** Every MCP server by its name. */
  servers: ReadonlyMap<string, ToolServer>;
}

/** The most characters of all sources together. */
const maxChars = 1024 * 1024;
const maxSources = 200;

/** Something that is to be read. */
interface Wanted {
  label: string;
  read: (signal: AbortSignal) => Promise<Source>;
}

type Task = Pick<SkillContext<Input>['task'], 'signal' | 'update'>;

/**
 * Makes the skill: reads one source after the other and says which. What fails is told beside what does not; only where
 * nothing could be read, but might be later, the task fails so that it is tried again.
 */
export const createCollector =
  (from: Collectables) =>
  async ({ input, task }: { input: Input; task: Task }): Promise<Output> => {
    const output: Output = { sources: [], problems: [] };
    let isRetryable = false;
    const note = (source: string, error: unknown): void => {
      if (noteProblem(output, source, error)) isRetryable = true;
    };
    let chars = 0;
    const wanted = await listWanted(from, input, task.signal, note);
    for (const [index, { label, read }] of wanted.slice(0, maxSources).entries()) {
      await task.update(`reading ${label} (${index + 1} of ${wanted.length})`, { done: index, of: wanted.length });
      try {
        const source = await read(task.signal);
        const size = JSON.stringify(source).length;
        if (chars + size > maxChars) {
          throw new MeshError('PAYLOAD_TOO_LARGE', `${label} is more than fits in beside the others`);
        }
        chars += size;
        output.sources.push({ ...source, uri: uniqueUri(source.uri, output.sources) });
      } catch (error) {
        note(label, error);
      }
    }
    if (wanted.length > maxSources) {
      const tooMany = new MeshError('PAYLOAD_TOO_LARGE', `at most ${maxSources} sources are read at a time`);
      note(`${wanted.length - maxSources} more`, tooMany);
    }
    if (output.sources.length === 0 && isRetryable) {
      throw new MeshError('UNAVAILABLE', `nothing could be read: ${output.problems[0]?.message}`, {
        retryable: true,
        details: { problems: output.problems },
      });
    }
    const { topic, files, tables, tools } = input;
    const isNamed = (files ?? tables ?? tools) !== undefined;
    return isNamed || topic === undefined ? output : { ...output, sources: mentioning(output.sources, topic) };
  };

/** What was asked for, or everything there is. */
async function listWanted(
  { files, tables, servers }: Collectables,
  input: Input,
  signal: AbortSignal,
  note: (label: string, error: unknown) => void,
): Promise<Wanted[]> {
  const isAll = (input.files ?? input.tables ?? input.tools) === undefined;
  const wanted: Wanted[] = [];
  for (const pattern of input.files ?? (isAll ? ['**/*'] : [])) {
    try {
      const names = await files.find(pattern, signal);
      wanted.push(
        ...names.map((name) => ({ label: `file:${name}`, read: (end: AbortSignal) => files.read(name, end) })),
      );
    } catch (error) {
      note(`file:${pattern}`, error);
    }
  }
  try {
    const all = isAll ? (await tables.names(signal)).map((name) => ({ name, limit: 500 })) : [];
    for (const table of input.tables ?? all) {
      wanted.push({ label: `table:${table.name}`, read: (end) => tables.read(table, end) });
    }
  } catch (error) {
    note('table:*', error);
  }
  for (const request of input.tools ?? []) {
    const label = `tool:${request.server}/${request.tool}`;
    wanted.push({ label, read: (end) => callTool(servers.get(request.server), label, request, end) });
  }
  return wanted;
}

async function callTool(
  server: ToolServer | undefined,
  uri: string,
  request: NonNullable<Input['tools']>[number],
  signal: AbortSignal,
): Promise<Source> {
  if (!server) throw new MeshError('TOOL_NOT_ALLOWED', `there is no MCP server ${request.server}`);
  const { text, structured } = await server.call(request.tool, request.arguments, signal);
  const mediaType = structured === undefined ? 'text/plain' : 'application/json';
  return { uri, kind: 'tool', mediaType, ...clippedText(structured === undefined ? text : JSON.stringify(structured)) };
}

/** @returns whether it may be another time. @throws the error where the task is over. */
function noteProblem({ problems }: Output, source: string, error: unknown): boolean {
  if (!isMeshError(error) || error.code === 'CANCELED') throw error;
  problems.push({ source, code: error.code, message: error.message });
  return error.retryable;
}

/** The same table may be asked for twice, with other conditions. */
function uniqueUri(uri: string, sources: readonly Source[]): string {
  const taken = sources.filter((source) => source.uri === uri || source.uri.startsWith(`${uri}#`)).length;
  return taken === 0 ? uri : `${uri}#${taken + 1}`;
}

/** The sources in which a word of the topic occurs; all of them where there are none. */
function mentioning(sources: Source[], topic: string): Source[] {
  const words = topic.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? [];
  const found = sources.filter((source) => {
    const text = JSON.stringify(source).toLowerCase();
    return words.some((word) => text.includes(word));
  });
  return found.length > 0 ? found : sources;
}
