import { TaskState, type TaskStatus } from '@a2a-js/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newTaskId } from '../../ids.ts';
import { artifact, textOf, textPart, userMessage } from '../../parts.ts';
import type { Question } from '../../question.ts';
import { afterCommit, type Database, type Unit } from '../database/unit.ts';
import type { NewTask, TaskEventBody, TaskHead, TaskStore } from '../store/task-store.ts';

const { TASK_STATE_SUBMITTED, TASK_STATE_WORKING, TASK_STATE_COMPLETED, TASK_STATE_INPUT_REQUIRED } = TaskState;

const question: Question = { id: 't-q1', prompt: 'May I?', actions: ['approve', 'reject'], path: [] };

const newTask = (fields: Partial<NewTask> = {}): NewTask => ({
  id: newTaskId(),
  caller: 'anna',
  contextId: 'context',
  skillId: 'echo',
  detached: false,
  state: TASK_STATE_SUBMITTED,
  atMs: 1_000,
  attempts: 0,
  deadlineAtMs: undefined,
  effectKey: 'effect',
  message: userMessage({ parts: [textPart('hello')] }),
  ...fields,
});

const status = (state: TaskState, atMs = 2_000): TaskEventBody => {
  const value: TaskStatus = { state, message: undefined, timestamp: new Date(atMs).toISOString() };
  return { kind: 'status', status: value, atMs };
};
const chunk = (artifactId: string, text: string, append = false): TaskEventBody => ({
  kind: 'artifact',
  artifact: artifact({ artifactId, parts: [textPart(text)] }),
  append,
  lastChunk: false,
});

/** What every task store must do, over any database. `open` starts with an empty database. */
export function describeTaskStoreContract(
  name: string,
  open: () => Promise<{ database: Database; store: TaskStore; close: () => Promise<void> }>,
): void {
  let database: Database;
  let store: TaskStore;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ database, store, close } = await open());
  });
  afterEach(() => close());

  const create = (fields?: Partial<NewTask>): Promise<TaskHead> => database.write(() => store.create(newTask(fields)));
  const append = (head: TaskHead, ...bodies: TaskEventBody[]): Promise<TaskHead> =>
    database.write(() => store.append(head, bodies));

  const send = (taskId: string, fields: { messageId?: string; bodyHash?: string; caller?: string } = {}) =>
    database.write(() =>
      store.recordSend({ caller: 'anna', messageId: 'm1', bodyHash: 'h1', taskId, atMs: 1, ...fields }),
    );
  const list = (query: Partial<Parameters<TaskStore['list']>[0]> = {}) =>
    database.read(() => store.list({ caller: 'anna', pageSize: 10, view: {}, ...query }));

  describe(`${name}: the send ledger`, () => {
    it('lets exactly one of many equal sends be the first, and names its task to the others', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => send(`task-${n}`)));
      expect(answers.filter((answer) => answer === undefined)).toHaveLength(1);
      const firstIndex = answers.indexOf(undefined);
      const others = answers.filter((answer) => answer !== undefined);
      expect(new Set(others)).toEqual(new Set([`task-${firstIndex}`]));
    });

    it('refuses the same messageId with another body', async () => {
      await send('task-1');
      await expect(send('task-2', { bodyHash: 'h2' })).rejects.toMatchObject({ code: 'MESSAGE_ID_REUSED' });
    });

    it('keeps callers and messages apart', async () => {
      await send('task-1');
      expect(await send('task-2', { caller: 'bert' })).toBeUndefined();
      expect(await send('task-3', { messageId: 'm2' })).toBeUndefined();
    });

    it('forgets a send whose unit was refused', async () => {
      const refused = database.write(function* (): Unit<void> {
        yield* store.recordSend({ caller: 'anna', messageId: 'm1', bodyHash: 'h1', taskId: 'task-1', atMs: 1 });
        throw new Error('refused');
      });
      await expect(refused).rejects.toThrow('refused');
      expect(await send('task-2')).toBeUndefined();
    });
  });

  describe(`${name}: tasks and their events`, () => {
    it('creates a task at generation 1 with its first message', async () => {
      const head = await create();
      expect(head).toMatchObject({ generation: 1, state: TASK_STATE_SUBMITTED, attempts: 0, asked: 0 });
      expect(await database.read(() => store.head(head.id))).toEqual(head);
      const task = await database.read(() => store.load(head.id));
      expect(task?.history.map((message) => textOf(message.parts))).toEqual(['hello']);
      expect(task?.status?.timestamp).toBe('1970-01-01T00:00:01.000Z');
    });

    it('knows nothing of a task that is not there', async () => {
      expect(await database.read(() => store.head('nobody'))).toBeUndefined();
      expect(await database.read(() => store.load('nobody'))).toBeUndefined();
      expect(await database.read(() => store.events('nobody', 0, 10))).toEqual([]);
      expect(await database.read(() => store.turn('nobody'))).toBeUndefined();
    });

    it('gives every event a generation of its own and reads them back in order', async () => {
      const head = await create();
      const next = await append(head, status(TASK_STATE_WORKING), chunk('a', 'one'), status(TASK_STATE_COMPLETED));
      expect(next.generation).toBe(4);
      const events = await database.read(() => store.events(head.id, 1, 10));
      expect(events.map((event) => [event.generation, event.response.payload?.$case, event.state])).toEqual([
        [2, 'statusUpdate', TASK_STATE_WORKING],
        [3, 'artifactUpdate', undefined],
        [4, 'statusUpdate', TASK_STATE_COMPLETED],
      ]);
      expect(await database.read(() => store.events(head.id, 2, 1))).toEqual([events[1]]);
      expect(await database.read(() => store.events(head.id, 4, 10))).toEqual([]);
    });

    it('refuses to append at a generation that has passed', async () => {
      const head = await create();
      await append(head, status(TASK_STATE_WORKING));
      await expect(append(head, status(TASK_STATE_COMPLETED))).rejects.toMatchObject({ code: 'TASK_BUSY' });
      const events = await database.read(() => store.events(head.id, 0, 10));
      expect(events.map((event) => event.generation)).toEqual([1, 2]);
    });

    it('never changes a terminal task', async () => {
      const done = await append(await create(), status(TASK_STATE_COMPLETED));
      await expect(append(done, status(TASK_STATE_WORKING))).rejects.toMatchObject({ code: 'TASK_TERMINAL' });
    });

    it('folds appended chunks, replaces whole artifacts and keeps their order', async () => {
      const head = await create();
      await append(head, chunk('a', 'one '), chunk('b', 'old'), chunk('a', 'two', true), chunk('b', 'new'));
      const task = await database.read(() => store.load(head.id));
      expect(task?.artifacts.map((each) => [each.artifactId, textOf(each.parts)])).toEqual([
        ['a', 'one \ntwo'],
        ['b', 'new'],
      ]);
    });

    it('changes fields together with an append, and drops deadline and question at the end', async () => {
      const head = await create();
      const asked = await database.write(() =>
        store.append(head, [status(TASK_STATE_INPUT_REQUIRED)], {
          question,
          deadlineAtMs: 5_000,
          skillState: { value: { step: 2 } },
          attempts: 1,
        }),
      );
      expect(asked).toMatchObject({ question, deadlineAtMs: 5_000, attempts: 1, asked: 1 });
      expect(await database.read(() => store.head(head.id))).toEqual(asked);
      await append(asked, status(TASK_STATE_COMPLETED));
      expect(await database.read(() => store.head(head.id))).toMatchObject({
        question: undefined,
        deadlineAtMs: undefined,
        asked: 1,
      });
    });

    it('gives a turn its first and last message, state and answer', async () => {
      const head = await create();
      expect(await database.read(() => store.turn(head.id))).toMatchObject({ resumed: undefined });
      await database.write(function* (): Unit<void> {
        const asked = yield* store.append(head, [status(TASK_STATE_INPUT_REQUIRED)], {
          question,
          skillState: { value: { step: 2 } },
        });
        yield* store.addMessage(head.id, userMessage({ parts: [textPart('approve')] }));
        yield* store.append(asked, [status(TASK_STATE_WORKING)], { question: null, answer: { action: 'approve' } });
      });
      const turn = await database.read(() => store.turn(head.id));
      expect([textOf(turn?.first.parts), textOf(turn?.last.parts)]).toEqual(['hello', 'approve']);
      expect(turn?.resumed).toEqual({ state: { step: 2 }, answer: { action: 'approve' } });
    });

    it('shows the last messages, all or none of the history', async () => {
      const head = await create();
      for (const text of ['two', 'three']) {
        await database.write(() => store.addMessage(head.id, userMessage({ parts: [textPart(text)] })));
      }
      const texts = async (historyLength?: number): Promise<string[]> => {
        const task = await database.read(() => store.load(head.id, { historyLength }));
        return (task?.history ?? []).map((message) => textOf(message.parts));
      };
      expect(await texts()).toEqual(['hello', 'two', 'three']);
      expect(await texts(2)).toEqual(['two', 'three']);
      expect(await texts(0)).toEqual([]);
    });

    it('bounds the history of a task', async () => {
      const head = await create();
      const fill = database.write(function* (): Unit<void> {
        for (let n = 0; n < 1_000; n += 1) {
          yield* store.addMessage(head.id, userMessage({ parts: [textPart(String(n))] }));
        }
      });
      await expect(fill).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    });

    it('takes further statements into the same commit', async () => {
      const head = newTask();
      const told: string[] = [];
      const refused = database.write(function* (): Unit<void> {
        yield* store.create(head);
        yield* afterCommit(() => told.push('committed'));
        throw new Error('the owner refuses');
      });
      await expect(refused).rejects.toThrow('the owner refuses');
      expect(await database.read(() => store.head(head.id))).toBeUndefined();
      expect(told).toEqual([]);
    });
  });

  describe(`${name}: finding work by status`, () => {
    it('finds executed tasks of a state, oldest first, in pages', async () => {
      const ids: string[] = [];
      for (let n = 0; n < 3; n += 1) ids.push((await create({ state: TASK_STATE_WORKING })).id);
      await create({ state: TASK_STATE_WORKING, detached: true });
      await create();
      const find = (limit: number, after?: string): Promise<string[]> =>
        database.read(() => store.executedInState(TASK_STATE_WORKING, limit, after));
      expect(await find(10)).toEqual(ids);
      expect(await find(2)).toEqual(ids.slice(0, 2));
      expect(await find(10, ids[1])).toEqual(ids.slice(2));
    });

    it('finds the next deadline and what is overdue', async () => {
      expect(await database.read(() => store.nextDeadline())).toBeUndefined();
      const late = await create({ deadlineAtMs: 500 });
      await create({ deadlineAtMs: 900 });
      const done = await create({ deadlineAtMs: 100 });
      await append(done, status(TASK_STATE_COMPLETED));
      expect(await database.read(() => store.nextDeadline())).toBe(500);
      expect(await database.read(() => store.overdue(600, 10))).toEqual([late.id]);
    });

    it('changes the attempts of a task without an event', async () => {
      const head = await create();
      await database.write(() => store.setFields(head.id, { attempts: 2 }));
      expect(await database.read(() => store.head(head.id))).toEqual({ ...head, attempts: 2 });
    });
  });

  describe(`${name}: lists`, () => {
    it('pages through the tasks of a caller, the newest status first, without gap or repetition', async () => {
      const ids: string[] = [];
      // Two share each time of status, so that the id has to decide.
      for (let n = 0; n < 7; n += 1) ids.push((await create({ atMs: 1_000 + Math.floor(n / 2) })).id);
      await create({ caller: 'bert' });
      const seen: string[] = [];
      let after: Awaited<ReturnType<typeof list>>['next'];
      do {
        const page = await list({ pageSize: 3, ...(after && { after }) });
        expect(page.totalSize).toBe(7);
        seen.push(...page.tasks.map((task) => task.id));
        after = page.next;
      } while (after);
      expect(seen).toEqual(ids.toReversed());
    });

    it('filters by context, state and time of status, and leaves parts out', async () => {
      const head = await create({ contextId: 'one', atMs: 1_000 });
      await append(head, chunk('a', 'text'), status(TASK_STATE_COMPLETED, 3_000));
      await create({ contextId: 'two', atMs: 2_000 });
      const ids = async (query: Parameters<typeof list>[0]): Promise<string[]> =>
        (await list(query)).tasks.map((task) => task.contextId);
      expect(await ids({ contextId: 'one' })).toEqual(['one']);
      expect(await ids({ contextId: 'none' })).toEqual([]);
      expect(await ids({ state: TASK_STATE_SUBMITTED })).toEqual(['two']);
      expect(await ids({ statusAtFromMs: 3_000 })).toEqual(['one']);
      expect(await ids({ statusAtFromMs: 3_001 })).toEqual([]);
      const view = { artifacts: false, historyLength: 0 };
      const [task] = (await list({ contextId: 'one', view })).tasks;
      expect(task).toMatchObject({ artifacts: [], history: [] });
      const [whole] = (await list({ contextId: 'one' })).tasks;
      expect(whole?.artifacts).toHaveLength(1);
    });
  });

  describe(`${name}: effects`, () => {
    const effect = { caller: 'anna', effectKey: 'effect', key: 'mail' };
    const find = () => database.read(() => store.findEffect(effect));

    it('keeps intent and result', async () => {
      expect(await find()).toBeUndefined();
      await database.write(() => store.startEffect(effect, 'task-1', 1));
      expect(await find()).toEqual({ done: false, taskId: 'task-1' });
      await database.write(() => store.finishEffect(effect, { sent: true }));
      expect(await find()).toEqual({ done: true, taskId: 'task-1', result: { sent: true } });
    });

    it('keeps a result of undefined', async () => {
      await database.write(() => store.startEffect(effect, 'task-1', 1));
      await database.write(() => store.finishEffect(effect, undefined));
      expect(await find()).toEqual({ done: true, taskId: 'task-1', result: undefined });
    });

    it('forgets an intent, but never a result', async () => {
      await database.write(() => store.startEffect(effect, 'task-1', 1));
      await database.write(() => store.forgetEffect(effect));
      expect(await find()).toBeUndefined();
      await database.write(() => store.startEffect(effect, 'task-2', 1));
      await database.write(() => store.finishEffect(effect, 1));
      await database.write(() => store.forgetEffect(effect));
      expect(await find()).toMatchObject({ done: true });
    });

    it('lets a repeatable effect take an intent over', async () => {
      await database.write(() => store.startEffect(effect, 'task-1', 1));
      await database.write(() => store.startEffect(effect, 'task-2', 2));
      expect(await find()).toEqual({ done: false, taskId: 'task-2' });
    });
  });

  describe(`${name}: retention`, () => {
    it('deletes finished tasks and ledger rows of their own age, and nothing else', async () => {
      const old = await append(await create(), status(TASK_STATE_COMPLETED, 1_000));
      const recent = await append(await create(), status(TASK_STATE_COMPLETED, 9_000));
      const open = await create({ atMs: 1_000 });
      await database.write(() =>
        store.recordSend({ caller: 'anna', messageId: 'old', bodyHash: 'h', taskId: old.id, atMs: 1_000 }),
      );
      expect(await database.write(() => store.prune({ tasksMs: 5_000, sendsMs: 500 }, 100))).toBe(1);
      const heads = await Promise.all([old, recent, open].map(({ id }) => database.read(() => store.head(id))));
      expect(heads.map((head) => head !== undefined)).toEqual([false, true, true]);
      expect(await database.read(() => store.events(old.id, 0, 10))).toEqual([]);
      // The tombstone outlives the task: the message is still known.
      const again = { caller: 'anna', messageId: 'old', bodyHash: 'h', taskId: 'new', atMs: 2_000 };
      expect(await database.write(() => store.recordSend(again))).toBe(old.id);
      await database.write(() => store.prune({ tasksMs: 0, sendsMs: 5_000 }, 100));
      expect(await database.write(() => store.recordSend(again))).toBeUndefined();
    });
  });
}
