import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DatabaseSync } from 'node:sqlite';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { QuarantineMarks } from '../../src/engine/quarantine-marks.ts';
import { TaskFailureDetailsSchema, WorkflowStatus } from '../../src/gen/durable_task_pb.ts';
import { startSidecar } from '../../src/index.ts';
import { RawClient } from '../raw-client.ts';
import { temporaryFolder } from '../world.ts';

/** What became of each workflow, or the signal that ended the process. */
async function runProgram(folder: string, ...code: string[]): Promise<unknown> {
  const program = spawn(process.execPath, [join(import.meta.dirname, 'poison-program.ts'), folder, ...code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [written, [exitCode, signal]] = await Promise.all([text(program.stdout), once(program, 'exit')]);
  if (signal !== null) return signal;
  expect(exitCode).toBe(0);
  return JSON.parse(written);
}

const sound = {
  'sound-0': '1 20',
  'sound-1': '1 20',
  'sound-2': '1 20',
  slow: '1 "slow but sound"',
};

describe('a workflow whose turn kills the process', () => {
  it(
    'is quarantined after three times, while its neighbours finish, and goes on when resumed with sound code',
    { timeout: 120_000 },
    async () => {
      using folder = temporaryFolder();
      for (let times = 0; times < 3; times += 1) expect(await runProgram(folder.path)).toBe('SIGKILL');
      expect(await runProgram(folder.path)).toEqual({ ...sound, poison: 'stalled: quarantined' });
      {
        // A clean end does not set it free.
        await using sidecar = await startSidecar({ path: join(folder.path, 'engine.db') });
        using client = new RawClient(sidecar.address);
        const worker = client.worker();
        const request = { instanceId: 'poison', getInputsAndOutputs: true };
        await client.call('raiseEvent', { instanceId: 'poison', name: 'kept' });
        const { workflowState } = await client.call('getInstance', request);
        expect(workflowState?.workflowStatus).toBe(WorkflowStatus.STALLED);
        expect(fromBinary(TaskFailureDetailsSchema, workflowState?.failureDetails ?? new Uint8Array())).toMatchObject({
          errorType: 'quarantined',
          errorMessage: expect.stringContaining('three times in a row'),
        });
        expect(worker.items).toEqual([]);
      }
      expect(await runProgram(folder.path, 'fixed')).toEqual({ ...sound, poison: '1 "harmless now"' });
    },
  );

  it(
    'is quarantined again after three more times, if it is resumed with the same code',
    { timeout: 120_000 },
    async () => {
      using folder = temporaryFolder();
      for (let times = 0; times < 3; times += 1) expect(await runProgram(folder.path)).toBe('SIGKILL');
      expect(await runProgram(folder.path)).toMatchObject({ poison: 'stalled: quarantined' });
      {
        await using sidecar = await startSidecar({ path: join(folder.path, 'engine.db') });
        using client = new RawClient(sidecar.address);
        await client.call('resumeInstance', { instanceId: 'poison' });
      }
      for (let times = 0; times < 3; times += 1) expect(await runProgram(folder.path)).toBe('SIGKILL');
      expect(await runProgram(folder.path)).toMatchObject({ poison: 'stalled: quarantined' });
    },
  );
});

describe('a turn under suspicion', () => {
  it('is out alone: nothing else is handed out before it is answered', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    const scheduleTask = { case: 'scheduleTask' as const, value: { name: 'work' } };
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      const starts = ['busy', 'innocent', 'suspect', 'also'].map((id) => {
        const start = client.call('startInstance', { instanceId: id, name: 'flow' });
        start.catch(() => {});
        return start;
      });
      for (const _ of starts) await worker.nextTurn();
      await client.call('completeOrchestratorTask', {
        instanceId: 'busy',
        actions: [{ id: 1, action: scheduleTask }],
      });
    }
    suspect(path, ['suspect', 'also']);
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    for (const instanceId of ['suspect', 'also']) {
      expect(await worker.nextTurn()).toMatchObject({ instanceId });
      // Anything new has to wait as well.
      await client.call('raiseEvent', { instanceId: 'innocent', name: 'hurry' });
      expect(worker.items).toEqual([]);
      await client.call('completeOrchestratorTask', { instanceId, actions: [] });
    }
    expect(await worker.nextTurn()).toMatchObject({ instanceId: 'innocent' });
    expect(await worker.nextActivity()).toMatchObject({ name: 'work' });
  });

  it('holds up nobody if it ended, or was terminated, before its time came', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      for (const instanceId of ['suspect', 'innocent']) {
        const start = client.call('startInstance', { instanceId, name: 'flow' });
        start.catch(() => {});
        await expect
          .poll(async () => (await client.call('getInstance', { instanceId })).exists, { timeout: 10_000 })
          .toBe(true);
      }
    }
    suspect(path, ['suspect']);
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    await client.call('terminateInstance', { instanceId: 'suspect' });
    expect(await client.worker().nextTurn()).toMatchObject({ instanceId: 'innocent' });
  });
});

/** As two processes leave it that died during the turns of these instances. */
function suspect(path: string, ids: readonly string[]): void {
  using database = new DatabaseSync(path, { readOnly: true });
  const find = database.prepare('SELECT run, execution_id, history_length FROM instances WHERE id = ?');
  new QuarantineMarks(`${path}.turns`).replace(
    ids.map((id) => {
      const row = find.get(id);
      const [run, historyLength] = [Number(row?.['run']), Number(row?.['history_length'])];
      return { run, executionId: String(row?.['execution_id']), historyLength, ends: 2, inProgress: false };
    }),
  );
}
