import { TaskState } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../../mesh-error.ts';
import { artifact, textOf, textPart, userMessage } from '../../parts.ts';
import { afterCommit, type Unit } from '../database/unit.ts';
import { type DetachedSkill, detachedSkill } from '../skill.ts';
import type { TaskCore } from '../task-core.ts';
import { collect } from '../../testing/collect.ts';
import { sendRequest, startCore, testFolder, text } from '../testing/test-agent.ts';

const call = { caller: 'anna' };

/** A task owner that writes down what it was told. */
async function startOwner(folder: string, hooks: Partial<DetachedSkill> = {}) {
  const told: string[] = [];
  const tell = (what: string): Unit<void> => afterCommit(() => told.push(what));
  const owned = detachedSkill({
    input: text.input,
    onStart: ({ taskId, input }) => tell(`start ${taskId} ${JSON.stringify(input)}`),
    onMessage: ({ message }) => tell(`message ${textOf(message.parts)}`),
    onCancel: () => tell('cancel'),
    ...hooks,
  });
  const { core, stop } = await startCore(folder, { owned });
  return { core, stop, told };
}

const started = (core: TaskCore, fields = {}) =>
  core.sendMessage(sendRequest({ returnImmediately: true, ...fields }), call);

describe('a detached task', () => {
  it('belongs to its owner: told of the start, it appends what happens', async () => {
    const { core, told } = await startOwner(await testFolder());
    const { id, status } = await started(core);
    expect(status?.state).toBe(TaskState.TASK_STATE_SUBMITTED);
    expect(told).toEqual([`start ${id} {"text":"hello"}`]);
    const stream = collect(core.subscribe(id, call));
    const generation = await core.database.write(() =>
      core.append(id, {
        artifact: { artifact: artifact({ parts: [textPart('result')] }) },
        status: { state: TaskState.TASK_STATE_COMPLETED },
      }),
    );
    expect(generation).toBe(3);
    expect((await stream).map((event) => event.generation)).toEqual([1, 2, 3]);
    const again = core.database.write(() => core.append(id, { status: { state: TaskState.TASK_STATE_WORKING } }));
    await expect(again).rejects.toMatchObject({ code: 'TASK_TERMINAL' });
  });

  it('wakes a blocking send when its owner settles it', async () => {
    const { core, told } = await startOwner(await testFolder());
    const waiting = core.sendMessage(sendRequest(), call);
    await expect.poll(() => told).toHaveLength(1);
    const id = told[0]?.split(' ')[1] ?? '';
    await core.database.write(() => core.append(id, { status: { state: TaskState.TASK_STATE_COMPLETED } }));
    expect((await waiting).status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('is not stored when its owner refuses the start, and the message may come again', async () => {
    let isOpen = false;
    const { core } = await startOwner(await testFolder(), {
      onStart: () => {
        if (!isOpen) throw new MeshError('UNAVAILABLE', 'not now');
        return afterCommit(() => undefined);
      },
    });
    const request = sendRequest({ returnImmediately: true });
    await expect(core.sendMessage(request, call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    isOpen = true;
    expect((await core.sendMessage(request, call)).status?.state).toBe(TaskState.TASK_STATE_SUBMITTED);
  });

  it('checks its input before its owner sees it', async () => {
    const { core, told } = await startOwner(await testFolder());
    await expect(started(core, { data: { text: 1 } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(told).toEqual([]);
  });

  it('takes a message once: history and owner in one commit, repeats answered by the ledger', async () => {
    const { core, told } = await startOwner(await testFolder());
    const { id } = await started(core);
    const message = sendRequest({ text: 'approve', message: { taskId: id }, returnImmediately: true });
    await Promise.all([core.sendMessage(message, call), core.sendMessage(message, call)]);
    const task = await core.getTask({ tenant: '', id }, call);
    expect(task.history.map(({ parts }) => textOf(parts))).toEqual(['hello', 'approve']);
    expect(told.slice(1)).toEqual(['message approve']);
  });

  it('keeps nothing of a message its owner refuses', async () => {
    const { core } = await startOwner(await testFolder(), {
      onMessage: () => {
        throw new MeshError('QUESTION_CLOSED', 'too late');
      },
    });
    const { id } = await started(core);
    const message = sendRequest({ text: 'approve', message: { taskId: id } });
    await expect(core.sendMessage(message, call)).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
    // Not in the ledger either: the second is judged anew.
    await expect(core.sendMessage(message, call)).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
    expect((await core.getTask({ tenant: '', id }, call)).history).toHaveLength(1);
  });

  it('is cancelled by its owner, who may take its time', async () => {
    const { core, told } = await startOwner(await testFolder());
    const { id } = await started(core);
    const cancel = () => core.cancelTask({ tenant: '', id, metadata: undefined }, call);
    expect((await cancel()).status?.state).toBe(TaskState.TASK_STATE_SUBMITTED);
    await core.database.write(() => core.append(id, { status: { state: TaskState.TASK_STATE_CANCELED } }));
    expect((await cancel()).status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    expect(told.filter((each) => each === 'cancel')).toHaveLength(1);
  });

  it('is left alone by recovery', async () => {
    const folder = await testFolder();
    const before = await startOwner(folder);
    const { id } = await started(before.core);
    await before.core.database.write(() => before.core.append(id, { status: { state: TaskState.TASK_STATE_WORKING } }));
    await before.stop();
    const { core, told } = await startOwner(folder);
    const task = await core.getTask({ tenant: '', id }, call);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_WORKING);
    expect(told).toEqual([]);
  });

  it('may be born by its owner', async () => {
    const { core, told } = await startOwner(await testFolder());
    const message = userMessage({ parts: [textPart('by hand')] });
    await core.database.write(() =>
      core.create({ taskId: 'my-run', skillId: 'owned', message, caller: 'anna', contextId: 'mine' }),
    );
    const task = await core.getTask({ tenant: '', id: 'my-run' }, call);
    expect(task).toMatchObject({ contextId: 'mine', history: [{ taskId: 'my-run', contextId: 'mine' }] });
    expect(told).toEqual([]);
    expect(await core.database.read(() => core.load('my-run'))).toEqual(task);
  });

  it('shows nothing of an append that is not committed', async () => {
    const { core } = await startOwner(await testFolder());
    const { id } = await started(core);
    const refused = core.database.write(function* (): Unit<void> {
      yield* core.append(id, { status: { state: TaskState.TASK_STATE_COMPLETED } });
      throw new Error('refused');
    });
    const stream = core.subscribe(id, call);
    expect((await stream.next()).value?.generation).toBe(1);
    await expect(refused).rejects.toThrow('refused');
    await core.database.write(() => core.append(id, { status: { state: TaskState.TASK_STATE_FAILED } }));
    expect((await stream.next()).value).toMatchObject({
      generation: 2,
      response: { payload: { value: { status: { state: TaskState.TASK_STATE_FAILED } } } },
    });
    await stream.return(undefined);
  });
});
