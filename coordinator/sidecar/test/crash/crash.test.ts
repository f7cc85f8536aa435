import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../world.ts';

const KILLS = 20;
const seed = Date.now() % 1_000_000;

/** Mulberry32: small, and the same everywhere for the same seed. */
function randomSequence(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Kill {
  /** Counted from the start of the process, or from when its workflows run. */
  readonly from: 'start' | 'running';
  readonly afterMs: number;
}

/** Runs the program until it ends or is killed; its outputs, or undefined if it was killed. */
async function runProgram(folder: string, kill?: Kill): Promise<unknown> {
  const program = spawn(process.execPath, [join(import.meta.dirname, 'program.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(program, 'exit');
  const running = once(program.stdout, 'data');
  const written = text(program.stdout);
  if (kill !== undefined) {
    if (kill.from === 'running') await running;
    await Promise.race([exit, sleep(kill.afterMs)]);
    program.kill('SIGKILL');
  }
  const [code] = await exit;
  const lines = (await written).trim().split('\n');
  if (code === null) return undefined;
  expect(code).toBe(0);
  return JSON.parse(lines.at(-1) ?? '');
}

function effects(folder: string): { all: string[]; distinct: string[] } {
  const all = readFileSync(join(folder, 'effects.log'), 'utf8').trim().split('\n');
  return { all, distinct: [...new Set(all)].toSorted() };
}

function unfinishedRows(folder: string): unknown {
  using database = new DatabaseSync(join(folder, 'engine.db'));
  return database
    .prepare('SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM tasks) + (SELECT count(*) FROM timers) AS n')
    .get()?.['n'];
}

describe('kill -9', () => {
  it(`changes no outcome, at ${KILLS} random moments (seed ${seed})`, { timeout: 120_000 }, async () => {
    const random = randomSequence(seed);
    using undisturbed = temporaryFolder();
    const expected = await runProgram(undisturbed.path);
    const expectedEffects = effects(undisturbed.path);
    expect(Object.keys(Object(expected))).toHaveLength(20);
    expect(expectedEffects.all).toHaveLength(expectedEffects.distinct.length);

    let kills = 0;
    while (kills < KILLS) {
      using folder = temporaryFolder();
      let killsHere = 0;
      let outputs: unknown;
      while (outputs === undefined) {
        const kill: Kill =
          random() < 0.2 ? { from: 'start', afterMs: random() * 500 } : { from: 'running', afterMs: random() * 400 };
        outputs = await runProgram(folder.path, kills < KILLS ? kill : undefined);
        if (outputs === undefined) {
          kills += 1;
          killsHere += 1;
        }
      }
      expect(outputs).toEqual(expected);
      expect(unfinishedRows(folder.path)).toBe(0);
      const { all, distinct } = effects(folder.path);
      expect(distinct).toEqual(expectedEffects.distinct);
      // Repeated is only what was under way when a process died: at most the SDK's ten at a time.
      expect(all.length - distinct.length).toBeLessThanOrEqual(killsHere * 10);
    }
  });
});
