import { expect, it } from 'vitest';
import { collect } from '../testing/collect.ts';
import { readServerSentEvents } from './sse-reader.ts';

async function* chunksOf(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const stream =
  ': keepalive\n\nid: 1\ndata: {"a":"é"}\n\nevent: x\r\ndata: one\r\ndata:two\r\nid:2\r\n\r\ndata: last\n\ndata: cut';
const expected = [
  { id: '1', data: '{"a":"é"}' },
  { id: '2', data: 'one\ntwo' },
  { id: undefined, data: 'last' },
];

it('reads the same events however the bytes are cut', async () => {
  for (let size = 1; size <= stream.length; size++) {
    expect(await collect(readServerSentEvents(chunksOf(stream, size), 1_000))).toEqual(expected);
  }
});

const long = async (text: string) => collect(readServerSentEvents(chunksOf(text, 10), 50));

it('refuses an event beyond the limit, complete or not', async () => {
  await expect(long(`data: ${'x'.repeat(60)}\n\n`)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  await expect(long('data: 1234567890\n'.repeat(6))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  await expect(long('data: 1234567890\n\n'.repeat(6))).resolves.toHaveLength(6);
});
