import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';

/** A turn that another process may have to recognize: the same run, generation and number of past events. */
export interface TurnName {
  readonly run: number;
  readonly executionId: string;
  readonly historyLength: number;
}

export interface TurnMark extends TurnName {
  /** At how many unclean ends of a process in a row the turn was in progress, before this process. */
  readonly ends: number;
  readonly inProgress: boolean;
}

const MARK_BYTES = 64;
const ID_OFFSET = 16;

/**
 * Which turns are in progress, in a file of fixed-size marks. A mark is one write to the page cache and never waits for
 * the disk: it outlives `kill -9`, and may be lost with the power, after which no turn is to blame anyway.
 */
export class QuarantineMarks {
  readonly #path: string;
  readonly #buffer = Buffer.alloc(MARK_BYTES);
  readonly #free: number[] = [];
  #count = 0;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What the last process left; nothing after a clean end. */
  read(): TurnMark[] {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    const marks: TurnMark[] = [];
    for (let at = 0; at + MARK_BYTES <= bytes.length; at += MARK_BYTES) {
      const mark = decode(bytes.subarray(at, at + MARK_BYTES));
      if (mark !== undefined) marks.push(mark);
    }
    return marks;
  }

  /** Begins anew with these. Whoever reads the file finds the old marks or the new ones, whenever this process dies. */
  replace(marks: readonly TurnMark[]): void {
    this.#close();
    const bytes = Buffer.alloc(marks.length * MARK_BYTES);
    for (const [slot, mark] of marks.entries())
      encode(mark, bytes.subarray(slot * MARK_BYTES, (slot + 1) * MARK_BYTES));
    const draft = `${this.#path}.new`;
    writeFileSync(draft, bytes);
    renameSync(draft, this.#path);
    this.#file = openSync(this.#path, 'r+');
    this.#count = marks.length;
    this.#free.length = 0;
  }

  /** Returns the slot of the mark. */
  add(mark: TurnMark): number {
    const slot = this.#free.pop() ?? this.#count++;
    encode(mark, this.#buffer);
    this.#write(slot, this.#buffer);
    return slot;
  }

  remove(slot: number): void {
    this.#write(slot, this.#buffer.fill(0));
    this.#free.push(slot);
  }

  /** After a clean end nothing is known of any turn. */
  clear(): void {
    this.#close();
    rmSync(this.#path, { force: true });
  }

  #write(slot: number, bytes: Buffer): void {
    if (this.#file !== undefined) writeSync(this.#file, bytes, 0, MARK_BYTES, slot * MARK_BYTES);
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Layout: run 8 bytes (never 0), history length 4, ends 2, in progress 2, then the execution id. */
function encode(mark: TurnMark, bytes: Buffer): void {
  bytes.fill(0);
  bytes.writeDoubleLE(mark.run, 0);
  bytes.writeUInt32LE(mark.historyLength, 8);
  bytes.writeUInt16LE(mark.ends, 12);
  bytes.writeUInt16LE(mark.inProgress ? 1 : 0, 14);
  bytes.write(mark.executionId, ID_OFFSET);
}

function decode(bytes: Buffer): TurnMark | undefined {
  const run = bytes.readDoubleLE(0);
  if (run === 0) return undefined;
  const executionId = bytes.toString('utf8', ID_OFFSET).replace(/\0+$/, '');
  const ends = bytes.readUInt16LE(12);
  return { run, executionId, historyLength: bytes.readUInt32LE(8), ends, inProgress: bytes.readUInt16LE(14) === 1 };
}

/** The part of an execution id that a mark has room for. The engine's own are never longer. */
export function markedId(executionId: string): string {
  const bytes = Buffer.alloc(MARK_BYTES - ID_OFFSET);
  return bytes.toString('utf8', 0, bytes.write(executionId));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
