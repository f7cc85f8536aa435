import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openLogFile } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'mesh-log-'));

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('moves a full log aside and keeps one older file', () => {
  const path = join(folder, 'logs/a.jsonl');
  const first = openLogFile(path, 10);
  first.append('12345678');
  const reopened = openLogFile(path, 10);
  reopened.append('abc');
  reopened.append('def');
  reopened.append('ghi');
  expect(readFileSync(path, 'utf8')).toBe('ghi\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('abc\ndef\n');
});

it.skipIf(process.platform !== 'linux')('loses lines while the disk is full, and says so afterwards', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-log-'));
  try {
    const path = join(folder, 'a.jsonl');
    const log = openLogFile(path);
    symlinkSync('/dev/full', path);
    log.append('lost');
    log.append('lost too');
    rmSync(path);
    log.append('kept');
    log.append('kept too');
    const [, gap, ...lines] = readFileSync(path, 'utf8').split('\n');
    expect(JSON.parse(gap ?? '')).toMatchObject({ lostLines: 2 });
    expect(lines).toEqual(['kept', 'kept too', '']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
