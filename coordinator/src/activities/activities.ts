import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { killPoint, run, type Unit } from '@daca-mesh/protocol/server';
import { TaskState } from '@a2a-js/sdk';
import { textPart } from '@daca-mesh/protocol';
import type { z } from 'zod';
import { askQuestion, withdrawQuestions } from '../inbox/questions.ts';
import { cancelChildren, childEnd, handedUndos, openChild } from '../runs/child-runs.ts';
import { claimRun } from '../runs/claim-run.ts';
import { finishRun } from '../runs/finish-run.ts';
import { itemOutcomes, nextItem, putItems } from '../runs/map-items.ts';
import { answerByEarlierEvent, receiveEvent, waitForEvent, withdrawWaits } from '../runs/receive-event.ts';
import { isChild, isOver, loadRun, rootOf } from '../runs/run-rows.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import { abandonCalls } from '../watcher/abandon-calls.ts';
import type { WatcherDeps } from '../watcher/watcher-deps.ts';
import type { Watcher } from '../watcher/watcher.ts';
import type { ActivityScope, KitActivities, QuestionRequest } from '../workflow-kit/contract.ts';
import { answerCall } from './answer-call.ts';
import { enterActivity } from './enter-activity.ts';
import { sendCall } from './send.ts';

export type LocalActivity = (input: unknown, context: { runId: string; key: string }) => Promise<unknown>;

export interface ActivitiesOptions {
  deps: WatcherDeps;
  watcher: Watcher;
  /** The input schema of a workflow of this process. */
  inputSchema: (workflow: string, version: number) => z.ZodType | undefined;
  /** Own I/O of the coordinator, by name. */
  localActivities: Readonly<Record<string, LocalActivity>>;
}

const ok = { status: 'ok' } as const;

/**
 * The activities of the workflow kit: everything a workflow does to the world. Each is one commit (or a commit, then
 * I/O), idempotent by the ids it is given, and closes the outbox rows of the events the workflow has consumed.
 */
export function createActivities({ deps, watcher, inputSchema, localActivities }: ActivitiesOptions): KitActivities {
  const { database, signals, settings } = deps;
  const commit = <T>(scope: ActivityScope, unit: () => Unit<T>): Promise<T> =>
    database.write(function* () {
      yield* enterActivity(deps, scope);
      return yield* unit();
    });
  const done = async (scope: ActivityScope, unit: () => Unit<unknown>): Promise<typeof ok> => {
    await commit(scope, unit);
    return ok;
  };

  return {
    claim: (input) => database.write(() => claimRun(deps, input, inputSchema(input.workflow, input.version))),
    send: (input) => sendCall(deps, watcher, input),
    answerCall: (input) => done(input, () => answerCall(deps, input)),
    abandon: (input) => done(input, () => abandonCalls(deps, input)),
    ask: (input) => commit(input, () => ask(deps, input, input.question, settings.name)),
    withdraw: (input) =>
      done(input, function* () {
        const { runId, questionIds, waitIds } = input;
        if (questionIds.length > 0) yield* withdrawQuestions(deps, { runId, questionIds });
        yield* withdrawWaits(waitIds);
      }),
    wait: (input) => commit(input, () => waitForEvent(deps, input.runId, input.wait)),
    propose: (input) => propose(deps, input),
    progress: (input) => done(input, () => noteProgress(deps, input)),
    note: (input) => done(input, () => note(signals, input)),
    local: async (input) => {
      const activity = Object.hasOwn(localActivities, input.name) ? localActivities[input.name] : undefined;
      if (!activity) throw new MeshError('NOT_FOUND', `there is no local activity "${input.name}"`);
      await database.write(() => enterActivity(deps, input));
      return { output: await activity(input.input, { runId: input.runId, key: input.key }) };
    },
    openChild: (input) => commit(input, () => openChild(deps, input.runId, input.child)),
    childEnd: (input) => commit(input, () => childEnd(deps, input.childId)),
    cancelChildren: (input) => done(input, () => cancelChildren(deps, input)),
    handedUndos: (input) => commit(input, () => handedUndos(input.of, input.from)),
    putItems: (input) => done(input, () => putItems(input)),
    nextItem: (input) => commit(input, () => nextItem(input, (progress) => noteProgress(deps, progress))),
    itemOutcomes: (input) => commit(input, () => itemOutcomes(input.mapId, input.from)),
    finish: async (input) => {
      killPoint('before-finish');
      try {
        return await database.write(function* () {
          // Executed again after a crash, it finds the run ended, by itself, and must not claim it.
          if (input.token === undefined || !(yield* hasEnded(input))) yield* enterActivity(deps, input);
          yield* finishRun(deps, input.runId, input.end, input.undos);
          return ok;
        });
      } catch (error) {
        // Unclaimed, a run that cannot be ended would be taken for one whose instance came too late, and started again.
        if (input.token !== undefined) await database.write(() => enterActivity(deps, input));
        throw error;
      }
    },
  };
}

function* hasEnded({ runId, token }: ActivityScope): Unit<boolean> {
  const row = yield* loadRun(runId);
  return row !== undefined && isOver(row) && row.token === token;
}

function* ask(deps: WatcherDeps, { runId, generation }: ActivityScope, question: QuestionRequest, name: string) {
  const asked = yield* askQuestion(deps, { ...question, runId, generation, path: [name] });
  if (asked.status !== 'open' || question.event === undefined) return asked;
  yield* answerByEarlierEvent(deps, runId, question.questionId, question.event);
  return yield* askQuestion(deps, { ...question, runId, generation, path: [name] });
}

function* note(signals: Signals, { runId, entry }: Parameters<KitActivities['note']>[0]): Unit<void> {
  const { type, data } = entry;
  if (type !== 'resumed') yield* appendTimeline(signals, runId, { type, data });
}

/** An event raised through Dapr's own API: it has no id of ours, and nobody waits to hear that it does not fit. */
async function propose(
  deps: WatcherDeps,
  { proposalId, event, payload, ...scope }: Parameters<KitActivities['propose']>[0],
): Promise<typeof ok> {
  const { runId } = scope;
  await deps.database.write(() => enterActivity(deps, scope));
  try {
    await deps.database.write(() =>
      receiveEvent(deps, { runId, name: event, payload, eventId: proposalId, by: 'dapr' }),
    );
  } catch (error) {
    if (!isMeshError(error) || error.retryable) throw error;
    deps.logger.warn({ err: error, runId, event }, 'an event raised through the engine was refused');
    const data = { message: `the event ${event} was refused: ${error.message}` };
    await deps.database.write(() => appendTimeline(deps.signals, runId, { type: 'warning', data }));
  }
  return ok;
}

/** How far a run was. What is told again after a crash, or as it is undone, is no way back. */
const percentOf = ({ progress }: Pick<RunRow, 'progress'>): number =>
  // Written below.
  progress === null ? 0 : ((JSON.parse(progress) as { percent?: number }).percent ?? 0);

function* noteProgress(
  deps: WatcherDeps,
  { runId, message, percent, step }: { runId: string; message: string; percent?: number; step?: string },
): Unit<void> {
  const row = yield* loadRun(runId);
  if (!row || isOver(row)) return;
  const progress = {
    message,
    ...(percent === undefined ? {} : { percent: Math.max(percent, percentOf(row)) }),
    ...(step === undefined ? {} : { step }),
  };
  yield* run(
    query
      .updateTable('runs')
      .set({ progress: JSON.stringify(progress) })
      .where('run_id', '=', runId)
      .compile(),
  );
  yield* appendTimeline(deps.signals, runId, { type: 'progress', data: progress });
  const root = isChild(row) ? yield* loadRun(rootOf(row)) : row;
  // An open question is what the task must show; it does not give way to news.
  if (!root || isOver(root) || root.open_questions > 0) return;
  yield* deps.core.append(root.run_id, { status: { state: TaskState.TASK_STATE_WORKING, parts: [textPart(message)] } });
}
