import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { JsonPointer, readPointer, toSqlitePath } from './json-pointer.ts';

const value = { data: { 'a/b': 1, 'm~n': [{ x: null }, 'two'], 'q"q': 3, '': 4, 'é.ü': 5 } };

it.each([
  ['', value],
  ['/data/a~1b', 1],
  ['/data/m~0n/1', 'two'],
  ['/data/m~0n/0/x', null],
  ['/data/q"q', 3],
  ['/data/é.ü', 5],
  ['/data/none', undefined],
  ['/data/a~1b/deeper', undefined],
  ['/constructor', undefined],
  ['/data/m~0n/length/x', undefined],
])('reads %s', (pointer, expected) => {
  expect(JsonPointer.safeParse(pointer).success).toBe(true);
  expect(readPointer(value, pointer)).toEqual(expected);
});

it.each(['data', '/data/~2', '/~', '$.data', '/'.repeat(501)])('refuses %s', (pointer) => {
  expect(JsonPointer.safeParse(pointer).success).toBe(false);
});

it('means the same place to SQLite', () => {
  const database = new DatabaseSync(':memory:');
  const read = database.prepare('SELECT json_extract(?, ?) AS found');
  for (const pointer of ['/data/a~1b', '/data/m~0n/1', '/data/q"q', '/data/é.ü', '/data/none']) {
    const { found } = read.get(JSON.stringify(value), toSqlitePath(pointer)) ?? {};
    expect(found ?? undefined).toEqual(readPointer(value, pointer));
  }
  database.close();
});
