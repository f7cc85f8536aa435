import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { silentLogger, type Logger } from '../logger.ts';
import type { Instance } from '../store/instances.ts';
import { prepareSchema } from '../store/schema.ts';
import { SqliteDatabase } from '../store/sqlite-database.ts';
import { createStore, type Store } from '../store/store.ts';
import { Quarantine } from './quarantine.ts';

describe('Quarantine', () => {
  let folder: string;
  let store: Store;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'quarantine-'));
    const database = new SqliteDatabase(join(folder, 'engine.db'), 'normal', () => {});
    prepareSchema(database);
    store = createStore(database);
  });
  afterEach(async () => {
    await store.database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const marksFile = (): string => join(folder, 'engine.db.turns');
  const create = (id: string, executionId = `${id}-generation`): Instance => {
    const origin = { name: 'flow', version: undefined, input: undefined, scheduledAt: undefined, held: false };
    const run = store.instances.insert({ ...origin, id, executionId, parent: undefined }, 0);
    const instance = store.instances.byRun(run);
    if (instance === undefined) throw new Error('not stored');
    return instance;
  };
  const progress = (instance: Instance): Instance => {
    store.instances.advance(instance.run, WorkflowStatus.RUNNING, instance.historyLength + 3, '', 0);
    return { ...instance, historyLength: instance.historyLength + 3 };
  };
  /** A process starts, has these turns in progress, and is killed. Returns what it made of the one before. */
  const killedDuring = (...turns: Instance[]): { culprits: string[]; suspects: string[] } => {
    const quarantine = new Quarantine(marksFile(), store, silentLogger);
    const { culprits, suspects } = quarantine.judge();
    quarantine.open();
    for (const turn of turns) quarantine.begin(turn);
    return { culprits: culprits.map(({ id }) => id), suspects };
  };
  const nothing = { culprits: [], suspects: [] };

  it('suspects a turn after two unclean ends in a row, and is sure after three', () => {
    const turn = create('a');
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring(turn)).toEqual({ culprits: [], suspects: ['a'] });
    expect(killedDuring()).toEqual({ culprits: ['a'], suspects: [] });
  });

  it('forgets a turn that was committed, and starts anew with the next one', () => {
    let turn = create('a');
    killedDuring(turn);
    killedDuring(turn);
    turn = progress(turn);
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring(turn)).toEqual({ culprits: [], suspects: ['a'] });
  });

  it('tells the generations and the owners of an id apart', () => {
    const turn = create('a');
    killedDuring(turn);
    killedDuring(turn);
    store.instances.restart(turn.run, 'next', undefined, '', 0);
    expect(killedDuring()).toEqual(nothing);
    const next = { ...turn, executionId: 'next' };
    killedDuring(next);
    killedDuring(next);
    store.instances.delete(turn.run);
    create('a', 'next');
    expect(killedDuring()).toEqual(nothing);
  });

  it('forgets everything at a clean end', () => {
    const turn = create('a');
    killedDuring(turn);
    killedDuring(turn);
    const clean = new Quarantine(marksFile(), store, silentLogger);
    clean.judge();
    clean.open();
    clean.begin(turn);
    clean.close();
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring(turn)).toEqual(nothing);
  });

  it('breaks the row at an end at which the turn was not in progress, unless it was kept from running', () => {
    const [kept, broken] = [create('kept'), create('broken')];
    killedDuring(kept, broken);
    killedDuring(kept);
    expect(killedDuring()).toEqual({ culprits: [], suspects: ['kept'] });
    expect(killedDuring(broken)).toEqual({ culprits: [], suspects: ['kept'] });
    expect(killedDuring(broken)).toEqual({ culprits: [], suspects: ['kept'] });
    expect(killedDuring(kept).suspects.toSorted()).toEqual(['broken', 'kept']);
    expect(killedDuring()).toEqual({ culprits: ['kept'], suspects: ['broken'] });
  });

  it('does not count a turn that was taken back from a lost worker', () => {
    const turn = create('a');
    for (let life = 0; life < 4; life += 1) {
      const quarantine = new Quarantine(marksFile(), store, silentLogger);
      expect(quarantine.judge()).toEqual(nothing);
      quarantine.open();
      quarantine.end(quarantine.begin(turn));
    }
  });

  it('counts an end once, though the next process dies before it has acted upon it', () => {
    const turn = create('a');
    killedDuring(turn);
    for (let life = 0; life < 3; life += 1) {
      expect(new Quarantine(marksFile(), store, silentLogger).judge()).toEqual(nothing);
    }
    expect(killedDuring(turn)).toEqual(nothing);
    expect(killedDuring()).toEqual({ culprits: [], suspects: ['a'] });
  });

  it('judges a turn once: an instance that is stalled already is left alone', () => {
    const turn = create('a');
    for (let life = 0; life < 3; life += 1) killedDuring(turn);
    store.instances.stall(turn.run, new Uint8Array(), 0);
    expect(killedDuring()).toEqual(nothing);
  });

  it('keeps marks apart when there are many, and when they come and go', () => {
    const turns = Array.from({ length: 200 }, (_, n) => create(`run-${n}`));
    const quarantine = new Quarantine(marksFile(), store, silentLogger);
    quarantine.open();
    const marks = turns.map((turn) => quarantine.begin(turn));
    for (const [n, mark] of marks.entries()) if (n % 3 === 0) quarantine.end(mark);
    const again = turns.filter((_, n) => n % 6 === 0);
    for (const turn of again) quarantine.begin(turn);
    const inProgress = turns.filter((_, n) => n % 3 !== 0 || n % 6 === 0).map(({ id }) => id);
    killedDuring(...turns);
    const { suspects } = killedDuring();
    expect(suspects.toSorted()).toEqual(inProgress.toSorted());
  });

  it('starts in spite of a marks file that is garbage, or cannot be read or written', () => {
    create('a');
    writeFileSync(marksFile(), Buffer.alloc(1000, 7));
    expect(killedDuring()).toEqual(nothing);
    const warn = vi.fn<Logger['warn']>();
    const nowhere = new Quarantine(join(folder, 'no', 'such', 'folder'), store, { ...silentLogger, warn });
    expect(nowhere.judge()).toEqual(nothing);
    nowhere.open();
    nowhere.end(nowhere.begin(create('b')));
    expect(warn).toHaveBeenCalledOnce();
  });
});
