import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard, type Task, TaskState } from '@a2a-js/sdk';
import { dataPart, newTaskId, userMessage } from '@daca-mesh/protocol';
import {
  all,
  type Callers,
  createCallers,
  createTaskCore,
  type Database,
  type DetachedSkill,
  detachedSkill,
  type TaskCore,
} from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { z } from 'zod';
import { insertRun, newToken } from '../../runs/run-rows.ts';
import { openCoordinatorDatabase } from '../../store/open.ts';
import { type OutboxRow, query } from '../../store/schema.ts';
import { createSignals, type Signals } from '../../store/signals.ts';
import { readTimeline, type TimelineEntry } from '../../store/timeline.ts';
import { answerFromMessage } from '../answers.ts';

/** A real store and task core in a temporary folder, with runs that nothing executes. */
export interface InboxStore extends AsyncDisposable {
  database: Database;
  core: TaskCore;
  signals: Signals;
  identify: Callers['identify'];
  /** A run with its task, in WORKING. */
  newRun(): Promise<string>;
  task(runId: string): Promise<Task>;
  timeline(runId: string): Promise<TimelineEntry[]>;
  /** The events put into the outbox for a run. */
  raised(runId: string): Promise<readonly Pick<OutboxRow, 'name' | 'payload'>[]>;
  /** Sends a message on the run's task, as an A2A client does. */
  say(runId: string, part: ReturnType<typeof dataPart>, messageId?: string, caller?: string): Promise<Task>;
}

/** Who may call, and a folder of an earlier store, which is then left as it is. */
export interface InboxStoreOptions {
  callers?: Parameters<typeof createCallers>[0];
  folder?: string;
}

export async function openInboxStore(options: InboxStoreOptions = {}): Promise<InboxStore> {
  const { identify } = createCallers(options.callers ?? {});
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'inbox-')));
  const database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
  const signals = createSignals();
  const owner: DetachedSkill = {
    input: z.strictObject({ text: z.string() }),
    *onStart({ taskId, input, caller }) {
      const run = { runId: taskId, workflow: 'waiting', version: 1, caller, input, token: newToken() };
      yield* insertRun(signals, { ...run, status: 'running' });
    },
    *onMessage(given) {
      yield* answerFromMessage({ signals, core, identify }, given);
    },
    *onCancel({ task }) {
      yield* core.append(task.id, { status: { state: TaskState.TASK_STATE_CANCELED } });
    },
  };
  const card = AgentCard.fromJSON({ name: 'inbox', skills: [{ id: 'waiting', name: 'Waiting' }] });
  const core: TaskCore = await createTaskCore({
    database,
    card,
    skills: { waiting: detachedSkill(owner) },
    taskOwner: 'local',
    logger: pino({ level: 'silent' }),
  });
  const call = { caller: 'local' };
  const configuration = {
    acceptedOutputModes: [],
    taskPushNotificationConfig: undefined,
    historyLength: undefined,
    returnImmediately: true,
  };
  const send = (message: ReturnType<typeof userMessage>, caller = call.caller): Promise<Task> =>
    core.sendMessage({ tenant: '', message, configuration, metadata: undefined }, { caller });

  return {
    database,
    core,
    signals,
    identify,
    newRun: async () => {
      const taskId = (await send(userMessage({ parts: [dataPart({ text: 'a post' })] }))).id;
      return taskId;
    },
    task: (runId) => core.getTask({ tenant: '', id: runId, historyLength: undefined }, call),
    timeline: (runId) => database.read(() => readTimeline(runId, 0, 1_000)),
    raised: (runId) =>
      database.read(() =>
        all(query.selectFrom('outbox').selectAll().where('run_id', '=', runId).where('kind', '=', 'raise').compile()),
      ),
    say: (runId, part, messageId = newTaskId(), caller = call.caller) =>
      send(userMessage({ parts: [part], taskId: runId, messageId }), caller),
    [Symbol.asyncDispose]: async () => {
      await core.drain();
      await database.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
