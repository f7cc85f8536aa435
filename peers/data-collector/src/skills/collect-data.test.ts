import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SkillMap } from '@daca-mesh/agent-cards';
import { AgentClient, taskError, taskResult } from '@daca-mesh/protocol/client';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { collect } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../config.ts';
import { createServer } from '../server.ts';

type Input = SkillMap['collect-data']['input'];
type Output = SkillMap['collect-data']['output'];

let home = '';
let server: AgentServer;
let client: AgentClient;

/** An MCP server that is not ours to trust: it answers, hangs, dies, or says too much, as it is told. */
const oddServer = fileURLToPath(new URL('../../test/odd-server.ts', import.meta.url));

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'collector-')));
  const folder = join(home, 'folder');
  await mkdir(join(folder, 'sub'), { recursive: true });
  await writeFile(join(home, 'secret.txt'), 'outside');
  await writeFile(join(folder, 'a.csv'), 'x,y\n1,2\n');
  await writeFile(join(folder, 'sub', 'b.md'), '# B\n\nabout turbines');
  await writeFile(join(folder, 'long.txt'), 'a line of text\n'.repeat(10_000));
  await writeFile(join(folder, 'picture.png'), Buffer.from([0x89, 0x50]));
  await symlink(join(home, 'secret.txt'), join(folder, 'leak.txt'));
  await symlink(home, join(folder, 'up'));
  const others = [
    { name: 'odd', command: process.execPath, args: [oddServer], tools: ['echo', 'hang', 'die', 'fail'] },
  ];
  const config = parseConfig({
    MESH_DATA: join(home, 'data'),
    DATA_FOLDER: folder,
    MCP_SERVERS: JSON.stringify(others),
    MCP_TIMEOUT: '3000',
  });
  server = await createServer(config, pino({ level: 'silent' }));
  client = await AgentClient.connect(server.url);
});

afterAll(async () => {
  await server?.close();
  await rm(home, { recursive: true, force: true });
});

const collectData = async (input: Input): Promise<Output> => {
  const task = await client.send({ skill: 'collect-data', input: { ...input }, blocking: true });
  const error = taskError(task);
  if (error) throw error;
  // Checked by the agent's own schema.
  return taskResult(task) as Output;
};
const uris = ({ sources }: Output): string[] => sources.map(({ uri }) => uri);
const codes = ({ problems }: Output): string[] => problems.map(({ code }) => code);

describe('collect-data: files', () => {
  it('reads names and globs, with media types', async () => {
    const output = await collectData({ files: ['a.csv', '**/*.md'] });
    expect(output).toEqual({
      sources: [
        { uri: 'file:a.csv', kind: 'file', mediaType: 'text/csv', text: 'x,y\n1,2\n', truncated: false },
        {
          uri: 'file:sub/b.md',
          kind: 'file',
          mediaType: 'text/markdown',
          text: '# B\n\nabout turbines',
          truncated: false,
        },
      ],
      problems: [],
    });
  });

  it.each(['../secret.txt', 'sub/../../secret.txt', '/etc/hosts', 'leak.txt', 'up/secret.txt', 'up', '.', 'a\0b'])(
    'refuses %j, wherever it leads',
    async (name) => {
      const output = await collectData({ files: [name] });
      expect(codes(output)).toEqual(['PATH_NOT_ALLOWED']);
      expect(JSON.stringify(output)).not.toContain('outside');
    },
  );

  it('finds by globs only what may be read', async () => {
    expect(uris(await collectData({ files: ['**/*'] }))).toEqual(['file:a.csv', 'file:long.txt', 'file:sub/b.md']);
    expect(codes(await collectData({ files: ['../*', '**/secret.txt'] }))).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  });

  it('takes nothing for a file that is none', async () => {
    const folder = join(home, 'folder', 'folder.md');
    const pipe = join(home, 'folder', 'pipe.txt');
    await mkdir(folder);
    await promisify(execFile)('mkfifo', [pipe]);
    expect(codes(await collectData({ files: ['folder.md', 'pipe.txt'] }))).toEqual(['NOT_FOUND', 'NOT_FOUND']);
    expect(uris(await collectData({ files: ['*.{md,txt}'] }))).toEqual(['file:long.txt']);
    await Promise.all([folder, pipe].map((path) => rm(path, { recursive: true })));
  });

  it('ends a long text at the end of a line and says so', async () => {
    const [source] = (await collectData({ files: ['long.txt'] })).sources;
    expect(source?.truncated).toBe(true);
    expect(source?.text?.length).toBeLessThanOrEqual(64 * 1024);
    expect(source?.text?.endsWith('text\n')).toBe(true);
  });

  it('reads the others where one is missing or no text', async () => {
    const output = await collectData({ files: ['none.csv', 'picture.png', 'a.csv'] });
    expect(uris(output)).toEqual(['file:a.csv']);
    expect(codes(output)).toEqual(['NOT_FOUND', 'CONTENT_TYPE_NOT_SUPPORTED']);
  });
});

describe('collect-data: tables', () => {
  it('reads the rows that are asked for, in order', async () => {
    const output = await collectData({
      tables: [
        {
          name: 'orders',
          columns: ['month', 'units'],
          where: [
            { column: 'region', value: 'south' },
            { column: 'product', is: 'like', value: 'solar%' },
            { column: 'month', is: '>=', value: '2025-11' },
          ],
          orderBy: { column: 'month', descending: true },
        },
      ],
    });
    expect(output.problems).toEqual([]);
    expect(output.sources[0]?.rows).toEqual([
      { month: '2025-12', units: 22 },
      { month: '2025-11', units: 24 },
    ]);
  });

  it('says where there is more, and tells two requests of one table apart', async () => {
    const output = await collectData({
      tables: [
        { name: 'orders', limit: 2 },
        { name: 'orders', limit: 1 },
      ],
    });
    expect(uris(output)).toEqual(['table:orders', 'table:orders#2']);
    expect(output.sources.map(({ truncated, rows }) => [truncated, rows?.length])).toEqual([
      [true, 2],
      [true, 1],
    ]);
  });

  it.each([
    { name: 'nothing' },
    { name: 'orders"; DROP TABLE orders; --' },
    { name: 'orders', columns: ['units" FROM orders; --'] },
    { name: 'orders', where: [{ column: '1=1 OR region', value: 'x' }] },
  ])('refuses the names of $name that the database does not have', async (table) => {
    expect(codes(await collectData({ tables: [table] }))).toEqual(['NOT_FOUND']);
    expect((await collectData({ tables: [{ name: 'orders', limit: 1 }] })).sources).toHaveLength(1);
  });

  it('reads what no number can hold', async () => {
    const sql =
      "SELECT 9e999 AS vast, 9223372036854775807 AS large, x'0102' AS blob, NULL AS none, '__proto__' AS text";
    const output = await collectData(query(sql));
    expect(output.problems).toEqual([]);
    expect(JSON.parse(output.sources[0]?.text ?? '')).toMatchObject({
      rows: [{ vast: 'Infinity', large: '9223372036854775807', blob: '2 bytes', none: null, text: '__proto__' }],
    });
  });

  it('binds values: what looks like SQL is only a value', async () => {
    const where = [{ column: 'region', value: "x' OR '1'='1" }];
    expect((await collectData({ tables: [{ name: 'orders', where }] })).sources[0]?.rows).toEqual([]);
  });
});

const query = (sql: string): Input => ({ tools: [{ server: 'tables', tool: 'query', arguments: { sql } }] });

describe('collect-data: tools', () => {
  it('calls the tools that are allowed, and no others', async () => {
    const output = await collectData({
      tools: [
        { server: 'odd', tool: 'echo', arguments: { say: 'hello' } },
        { server: 'odd', tool: 'secret' },
        { server: 'nobody', tool: 'echo' },
        { server: 'files', tool: 'write_file', arguments: { path: join(home, 'folder', 'new.txt'), content: 'x' } },
      ],
    });
    expect(output.sources).toMatchObject([{ uri: 'tool:odd/echo', kind: 'tool', text: 'hello' }]);
    expect(codes(output)).toEqual(['TOOL_NOT_ALLOWED', 'TOOL_NOT_ALLOWED', 'TOOL_NOT_ALLOWED']);
  });

  it.each([
    'DELETE FROM orders',
    "INSERT INTO visits VALUES ('x', 'y', 1) RETURNING visits",
    'WITH gone AS (SELECT 1) DELETE FROM orders RETURNING order_id',
    'SELECT 1; DELETE FROM orders',
    "ATTACH 'x.db' AS x",
    'PRAGMA writable_schema = 1',
    'SELECT * FROM',
  ])('refuses %s', async (sql) => {
    expect(codes(await collectData(query(sql)))).toEqual(['PEER_FAILED']);
  });

  it('ends a query that does not end, and goes on with a new server', async () => {
    const endless = 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n';
    await expect(collectData(query(endless))).rejects.toMatchObject({
      retryable: true,
      message: expect.stringContaining('tables did not answer within 3000 ms'),
      details: { code: 'UNAVAILABLE' },
    });
    expect((await collectData(query('SELECT count(*) AS n FROM orders'))).sources[0]?.text).toContain('"n":144');
  });

  it('starts a server again that died, and tells what hangs or fails', async () => {
    const output = await collectData({
      files: ['a.csv'],
      tools: ['die', 'echo', 'hang', 'fail', 'echo'].map((tool) => ({ server: 'odd', tool, arguments: { say: tool } })),
    });
    expect(uris(output)).toEqual(['file:a.csv', 'tool:odd/echo', 'tool:odd/echo#2']);
    expect(codes(output)).toEqual(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'PEER_FAILED']);
  });
});

describe('collect-data: everything', () => {
  it('reads what fits in after what does not, and says what it left out', async () => {
    const files = [...Array<string>(20).fill('long.txt'), 'a.csv'];
    const output = await collectData({ files });
    expect(uris(output).at(-1)).toBe('file:a.csv');
    expect(codes(output)).toEqual(Array(6).fill('PAYLOAD_TOO_LARGE'));
  });

  it('says how many it left out where there are too many', async () => {
    const many = join(home, 'folder', 'many');
    await mkdir(many);
    await Promise.all(Array.from({ length: 203 }, (_, n) => writeFile(join(many, `${n}.txt`), 'x')));
    const output = await collectData({ files: ['many/*'] });
    await rm(many, { recursive: true });
    expect(output.sources).toHaveLength(200);
    expect(output.problems).toMatchObject([{ source: '3 more', code: 'PAYLOAD_TOO_LARGE' }]);
  });

  it('reads all there is where nothing is named, or what mentions the topic', async () => {
    expect(uris(await collectData({}))).toEqual([
      'file:a.csv',
      'file:long.txt',
      'file:sub/b.md',
      'table:orders',
      'table:visits',
    ]);
    expect(uris(await collectData({ topic: 'turbines and more' }))).toEqual(['file:sub/b.md']);
    expect(uris(await collectData({ topic: 'nothing mentions zebras' }))).toHaveLength(5);
  });

  it('tells which source it reads', async () => {
    const events = await collect(client.stream({ skill: 'collect-data', input: { files: ['a.csv', 'sub/b.md'] } }));
    const texts = JSON.stringify(events.map(({ response }) => response.payload));
    expect(texts).toContain('reading file:a.csv (1 of 2)');
    expect(texts).toContain('reading file:sub/b.md (2 of 2)');
  });
});
