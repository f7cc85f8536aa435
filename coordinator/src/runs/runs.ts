import { dataPart, extensionUris, MeshError, newId, userMessage } from '@daca-mesh/protocol';
import type { TaskCore } from '@daca-mesh/protocol/server';
import { listRuns, type RunFilter, type RunPage } from './list-runs.ts';
import { receiveEvent } from './receive-event.ts';
import { requestCancel } from './cancel-run.ts';
import { resumeRun, suspendRun } from './run-owner.ts';
import { requireOpenRoot, requireRun } from './run-rows.ts';
import { rowTag, type Run, toRun } from './run-view.ts';
import type { StoreDeps } from './unit-deps.ts';

/** What is done with runs from outside. Every change is one commit, and the reply shows what was committed. */
export interface Runs {
  /** Starts a run by an internal SendMessage: the same id and input again make the same run. */
  start(workflow: string, input: unknown, options: { caller: string; messageId?: string }): Promise<Run>;
  /** @throws MeshError `RUN_NOT_FOUND`. */
  get(runId: string): Promise<Run>;
  /** What changes when the run does, for those who ask often: see `runTag`. @throws MeshError `RUN_NOT_FOUND`. */
  tag(runId: string): Promise<string>;
  list(filter: RunFilter): Promise<RunPage>;
  /** Asks for the cancel; what was done is undone first. @throws MeshError `RUN_NOT_FOUND`, `RUN_FINISHED`, `INVALID_ARGUMENT` for a child. */
  cancel(runId: string, reason?: string, by?: string): Promise<Run>;
  /** Sends nothing new until resumed. @throws MeshError `RUN_NOT_FOUND`, `RUN_FINISHED`. */
  suspend(runId: string): Promise<Run>;
  resume(runId: string): Promise<Run>;
  /**
   * Takes a user-named event; the same event id again changes nothing.
   * @throws MeshError `RUN_NOT_FOUND`, `RUN_FINISHED`, `INVALID_ARGUMENT`, `ANSWER_INVALID`.
   */
  receiveEvent(runId: string, name: string, payload: unknown, eventId: string, by?: string): Promise<Run>;
}

export function createRuns(
  deps: StoreDeps & { core: Pick<TaskCore, 'append' | 'load' | 'create' | 'sendMessage'> },
): Runs {
  const { database, signals, core } = deps;
  const get = async (runId: string): Promise<Run> => toRun(await database.read(() => requireRun(runId)));
  return {
    start: async (workflow, input, { caller, messageId }) => {
      const message = userMessage({
        messageId: messageId ?? newId(),
        parts: [dataPart(input ?? null)],
        metadata: { [extensionUris.skill]: { id: workflow } },
        extensions: [extensionUris.skill],
      });
      const configuration = {
        acceptedOutputModes: [],
        taskPushNotificationConfig: undefined,
        historyLength: 0,
        returnImmediately: true,
      };
      const task = await core.sendMessage({ tenant: '', message, configuration, metadata: undefined }, { caller });
      return get(task.id);
    },
    get,
    tag: async (runId) => rowTag(await database.read(() => requireRun(runId))),
    list: (filter) => database.read(() => listRuns(filter)),
    cancel: async (runId, reason, by = 'local') => {
      await database.write(function* () {
        const row = yield* requireOpenRoot(runId);
        yield* requestCancel(signals, row, { by, ...(reason === undefined ? {} : { reason }) });
      });
      return get(runId);
    },
    suspend: async (runId) => {
      await database.write(function* () {
        yield* suspendRun(signals, yield* requireOpenRoot(runId));
      });
      return get(runId);
    },
    resume: async (runId) => {
      await database.write(function* () {
        yield* resumeRun(signals, yield* requireOpenRoot(runId));
      });
      return get(runId);
    },
    receiveEvent: async (runId, name, payload, eventId, by = 'local') => {
      if (name === '') throw new MeshError('INVALID_ARGUMENT', 'an event needs a name', { details: { path: 'name' } });
      await database.write(() => receiveEvent(deps, { runId, name, payload, eventId, by }));
      return get(runId);
    },
  };
}
