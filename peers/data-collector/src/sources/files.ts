import { realpath } from 'node:fs/promises';
import { extname, sep } from 'node:path';
import type { Source } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { allowedFile } from '../allowed-path.ts';
import type { ToolServer } from '../mcp/tool-server.ts';
import { clippedText } from './clipped-text.ts';

const maxFileBytes = 8 * 1024 * 1024;

const mediaTypes: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.json': 'application/json',
  '.md': 'text/markdown',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.yaml': 'application/yaml',
};

/** The files of a folder, read by the tools of an MCP server. */
export interface Files {
  /** The names that a name or a glob stands for, in order. @throws MeshError `PATH_NOT_ALLOWED`, `NOT_FOUND`. */
  find(pattern: string, signal: AbortSignal): Promise<string[]>;
  /** @throws MeshError `PATH_NOT_ALLOWED`, `NOT_FOUND`, `PAYLOAD_TOO_LARGE`, `CONTENT_TYPE_NOT_SUPPORTED`. */
  read(name: string, signal: AbortSignal): Promise<Source>;
}

/** @param server its tools `search_files` and `read_text_file` are used */
export const createFiles = (folder: string, server: ToolServer): Files => ({
  find: async (pattern, signal) => {
    if (!/[*?[\]{}]/.test(pattern)) return [(await allowedFile(folder, pattern)).name];
    const root = await realpath(folder);
    const { text } = await server.call('search_files', { path: root, pattern }, signal);
    const paths = text.split('\n').filter((path) => path.startsWith(root + sep));
    // What the server found is looked at again: a folder, a link that leads out, a file that has gone meanwhile.
    const found = await Promise.all(paths.map((path) => tryFile(folder, path.slice(root.length + 1))));
    const names = found.flat().toSorted();
    if (names.length === 0) throw new MeshError('NOT_FOUND', `no file is called ${pattern}`);
    return names;
  },
  read: async (name, signal) => {
    const file = await allowedFile(folder, name);
    const mediaType = mediaTypes[extname(name).toLowerCase()];
    if (mediaType === undefined) {
      throw new MeshError('CONTENT_TYPE_NOT_SUPPORTED', `${name} is no kind of text that is read`, {
        details: { extensions: Object.keys(mediaTypes) },
      });
    }
    if (file.bytes > maxFileBytes) {
      throw new MeshError('PAYLOAD_TOO_LARGE', `${name} is larger than ${maxFileBytes} bytes`);
    }
    const { text } = await server.call('read_text_file', { path: file.path }, signal);
    return { uri: `file:${file.name}`, kind: 'file', mediaType, ...clippedText(text) };
  },
});

async function tryFile(folder: string, name: string): Promise<string[]> {
  try {
    const file = await allowedFile(folder, name);
    return extname(file.name).toLowerCase() in mediaTypes ? [file.name] : [];
  } catch {
    return [];
  }
}
