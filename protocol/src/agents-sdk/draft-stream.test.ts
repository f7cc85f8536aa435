import { expect, it, vi } from 'vitest';
import { textOf } from '../parts.ts';
import { createDraftStream } from './draft-stream.ts';
import { recordingTask } from './testing/recording-task.ts';

it('reads the draft for each chunk, not for each word: reading takes longer the longer it gets', async () => {
  const { chunks, task } = recordingTask();
  using draft = createDraftStream(task);
  let text = '';
  const read = vi.fn(() => text);
  const write = (words: number): void => {
    for (let word = 0; word < words; word++) {
      text += 'word ';
      draft.show(read);
    }
  };
  write(1_000);
  expect(read).not.toHaveBeenCalled();
  await vi.waitFor(() => expect(chunks).toHaveLength(1));
  write(1_000);
  await draft.end();
  expect(read).toHaveBeenCalledTimes(2);
  expect(chunks.map(({ parts }) => textOf(parts)).join('')).toBe(text);
  expect(chunks.map(({ append, lastChunk }) => [append, lastChunk])).toEqual([
    [false, false],
    [true, true],
  ]);
});
