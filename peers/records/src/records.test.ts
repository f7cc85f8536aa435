import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openSqliteDatabase, taskSchema, writesSchema } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordsSchema } from './records-tables.ts';
import { writeAuditEntry } from './skills/append-audit.ts';
import { readAudit } from './skills/get-audit.ts';
import { readErrors } from './skills/get-errors.ts';
import { readPost } from './skills/get-post.ts';
import { writeError } from './skills/log-error.ts';
import { writePost } from './skills/save-post.ts';
import { writePostStatus } from './skills/set-post-status.ts';

let folder: string;
let database: Database;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'records-'));
  database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [taskSchema, writesSchema, recordsSchema] });
});

afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

describe('records', () => {
  it('keeps what ended runs, each once, and gives the newest first', async () => {
    const first = { runId: 'run-1', workflow: 'content-pipeline', code: 'PEER_FAILED', message: 'the model is down' };
    const second = { ...first, runId: 'run-2', code: 'INTERNAL' };
    const logged = await database.write(() => writeError('k1', first));
    expect(await database.write(() => writeError('k1', first))).toEqual(logged);
    await database.write(() => writeError('k2', second));
    const { errors } = await database.read(() => readErrors({ limit: 10 }));
    expect(errors).toMatchObject([second, first]);
    expect(await database.read(() => readErrors({ limit: 1 }))).toMatchObject({ errors: [second] });
    expect(await database.read(() => readErrors({ runId: 'run-1', limit: 10 }))).toMatchObject({
      errors: [{ ...first, ...logged, at: expect.stringMatching(/Z$/) }],
    });
  });

  it('saves a new post as pending and knows it again', async () => {
    const saved = await database.write(() => writePost('k1', { postId: 'p', text: 'one', author: 'ada' }));
    expect(saved).toEqual({ postId: 'p', status: 'pending', created: true });
    const again = await database.write(() => writePost('k2', { postId: 'p', text: 'one' }));
    expect(again).toEqual({ postId: 'p', status: 'pending', created: false });
    const { post } = await database.read(() => readPost('p'));
    expect(post).toMatchObject({ postId: 'p', text: 'one', author: 'ada', status: 'pending' });
  });

  it('makes a post pending again when its text changes, and only then', async () => {
    await database.write(() => writePost('k1', { postId: 'p', text: 'one' }));
    await database.write(() => writePostStatus('k2', { postId: 'p', status: 'approved', by: 'ada' }));
    expect(await database.write(() => writePost('k3', { postId: 'p', text: 'one' }))).toMatchObject({
      status: 'approved',
    });
    expect(await database.write(() => writePost('k4', { postId: 'p', text: 'two' }))).toMatchObject({
      status: 'pending',
    });
  });

  it('tells the previous status and text, so that a change can be undone', async () => {
    await database.write(() => writePost('k1', { postId: 'p', text: 'one' }));
    const edited = await database.write(() => writePostStatus('k2', { postId: 'p', status: 'edited', text: 'two' }));
    expect(edited).toEqual({ postId: 'p', status: 'edited', previous: 'pending', previousText: 'one' });
    await database.write(() => writePostStatus('k3', { postId: 'p', status: edited.previous, text: 'one' }));
    expect((await database.read(() => readPost('p'))).post).toMatchObject({ status: 'pending', text: 'one' });
  });

  it('refuses the status of a post that is not there, and the key stays free', async () => {
    const refused = database.write(() => writePostStatus('k1', { postId: 'p', status: 'approved' }));
    await expect(refused).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await database.write(() => writePost('k0', { postId: 'p', text: 'one' }));
    expect(await database.write(() => writePostStatus('k1', { postId: 'p', status: 'approved' }))).toMatchObject({
      previous: 'pending',
    });
  });

  it('writes once per key, also 20 at once, and answers the same', async () => {
    const lines = await Promise.all(
      Array.from({ length: 20 }, () =>
        database.write(() => writeAuditEntry('k1', { postId: 'p', entry: { action: 'approve', by: 'ada' } })),
      ),
    );
    expect(new Set(lines.map(({ auditId }) => auditId)).size).toBe(1);
    expect((await database.read(() => readAudit('p'))).entries).toMatchObject([{ action: 'approve', by: 'ada' }]);
  });

  it('keeps the audit log in order', async () => {
    for (const action of ['flag', 'ask', 'approve']) {
      await database.write(() => writeAuditEntry(action, { postId: 'p', entry: { action } }));
    }
    const { entries } = await database.read(() => readAudit('p'));
    expect(entries.map(({ action }) => action)).toEqual(['flag', 'ask', 'approve']);
  });

  it('finds nothing where nothing is', async () => {
    expect(await database.read(() => readPost('none'))).toEqual({ post: null });
    expect(await database.read(() => readAudit('none'))).toEqual({ entries: [] });
  });
});
