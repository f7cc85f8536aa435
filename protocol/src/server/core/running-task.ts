import { type Message, TaskState } from '@a2a-js/sdk';
import { digest } from '../../ids.ts';
import { isMeshError, MeshError } from '../../mesh-error.ts';
import { artifact, dataPart, textPart } from '../../parts.ts';
import type { Answer } from '../../question.ts';
import type { Unit } from '../database/unit.ts';
import { killPoint } from '../kill-point.ts';
import type { ArtifactFields, AskQuestion, ExecutedSkill, TaskChange, TaskHandle } from '../skill.ts';
import type { EffectKey, TaskFields, TaskHead } from '../store/task-store.ts';
import { appendChange, failureChange } from './append-change.ts';
import type { CoreServices } from './core-services.ts';
import { questionMessage, toQuestion } from './questions.ts';
import { TextCoalescer } from './text-coalescer.ts';

/** One turn of one task, claimed for execution. */
export interface TaskJob {
  readonly head: TaskHead;
  readonly skill: ExecutedSkill;
  readonly input: unknown;
  readonly message: Message;
  readonly resumed: { state: unknown; answer: Answer } | undefined;
}

/** Services that outlive a task, shared by all running ones. */
export interface RunningServices extends CoreServices {
  /** Effects under way, so that two tasks with one effect key do not run one effect side by side. */
  readonly effectsUnderWay: Map<string, Promise<unknown>>;
  /** Called when a deadline was stored. */
  readonly onDeadline: (atMs: number) => void;
}

/** Why a skill's signal aborts. */
export type AbortReason = 'cancel' | 'deadline' | 'shutdown';

/** The handle a skill works with. After the turn has ended, by whatever way, nothing it writes is accepted. */
export class RunningTask implements TaskHandle {
  readonly id: string;
  readonly contextId: string;
  readonly effectKey: string;
  readonly #services: RunningServices;
  readonly #job: TaskJob;
  readonly #controller = new AbortController();
  readonly #texts = new TextCoalescer((fields) => this.#writeArtifact(fields));
  #metadata: Record<string, unknown> | undefined;
  #isOver = false;

  constructor(services: RunningServices, job: TaskJob) {
    this.#services = services;
    this.#job = job;
    this.id = job.head.id;
    this.contextId = job.head.contextId;
    this.effectKey = job.head.effectKey;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the turn has ended: asked, completed, failed or aborted. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends the turn from outside. */
  abort(reason: AbortReason): void {
    this.#isOver = true;
    this.#texts.discard();
    this.#controller.abort(new MeshError(reason === 'deadline' ? 'DEADLINE_EXCEEDED' : 'CANCELED', reason));
  }

  async update(text: string, data?: unknown): Promise<void> {
    this.#assertActive();
    await this.#texts.flush();
    const parts = data === undefined ? [textPart(text)] : [textPart(text), dataPart(data)];
    await this.#write({ status: { state: TaskState.TASK_STATE_WORKING, parts } });
  }

  async artifact(fields: ArtifactFields): Promise<void> {
    this.#assertActive();
    if (fields.parts.length === 0) throw new TypeError('an artifact has at least one part');
    await this.#texts.add(fields);
  }

  annotate(metadata: Record<string, unknown>): void {
    this.#assertActive();
    this.#metadata = { ...this.#metadata, ...metadata };
  }

  async ask(asked: AskQuestion, options: { state?: unknown; timeoutMs?: number } = {}): Promise<never> {
    this.#assertActive();
    await this.#texts.flush();
    const deadlineAtMs = options.timeoutMs === undefined ? null : this.#services.now() + options.timeoutMs;
    const question = toQuestion(asked, this.#job.head, deadlineAtMs);
    await this.#endTurn(
      { status: { state: TaskState.TASK_STATE_INPUT_REQUIRED, ...questionMessage(question) } },
      {
        question,
        deadlineAtMs,
        skillState: { value: options.state },
      },
    );
    if (deadlineAtMs !== null) this.#services.onDeadline(deadlineAtMs);
    throw new MeshError('TASK_BUSY', 'the turn has ended; the answer starts the next one');
  }

  async once<T>(key: string, effect: () => Promise<T>, options: { idempotent?: boolean } = {}): Promise<T> {
    this.#assertActive();
    await this.#texts.flush();
    const { effectsUnderWay } = this.#services;
    const effectId = this.idempotencyKey(key);
    while (effectsUnderWay.has(effectId)) await effectsUnderWay.get(effectId)?.catch(() => undefined);
    const running = this.#runEffect(key, effect, options.idempotent ?? false);
    effectsUnderWay.set(effectId, running);
    try {
      return await running;
    } finally {
      effectsUnderWay.delete(effectId);
    }
  }

  idempotencyKey(key: string): string {
    return digest([this.#job.head.caller, this.effectKey, key]);
  }

  /** Ends the turn with the skill's result: one artifact and COMPLETED, in one commit. */
  async complete(output: unknown): Promise<void> {
    this.#assertActive();
    const parsed = this.#job.skill.output.safeParse(output);
    if (!parsed.success) {
      throw new MeshError('INVALID_OUTPUT', 'the skill returned what its own schema refuses', { cause: parsed.error });
    }
    await this.#texts.flush();
    killPoint('before-complete');
    await this.#endTurn({
      artifact: { artifact: resultArtifact(this.#job.head.skillId, parsed.data, this.#metadata), lastChunk: true },
      status: { state: TaskState.TASK_STATE_COMPLETED },
    });
  }

  /** Ends the turn in FAILED. */
  async fail(error: unknown): Promise<void> {
    this.#texts.discard();
    await this.#endTurn(failureChange(error));
  }

  #assertActive(): void {
    this.signal.throwIfAborted();
    if (this.#isOver) throw new MeshError('TASK_TERMINAL', 'the turn is over');
  }

  async #writeArtifact(fields: ArtifactFields): Promise<void> {
    const { append = false, lastChunk = false, ...rest } = fields;
    await this.#write({ artifact: { artifact: artifact(rest), append, lastChunk } });
  }

  async #endTurn(change: TaskChange, fields: TaskFields = {}): Promise<void> {
    this.#isOver = true;
    try {
      await this.#write(change, { deadlineAtMs: null, ...fields });
    } catch (error) {
      // What cannot be stored (a state that is no JSON, say) has not ended the turn; the task is to fail with it.
      this.#isOver = this.signal.aborted;
      throw error;
    }
  }

  #write(change: TaskChange, fields?: TaskFields): Promise<void> {
    const services = this.#services;
    const { id } = this;
    return services.database.write(function* (): Unit<void> {
      const head = yield* services.store.head(id);
      if (head?.state !== TaskState.TASK_STATE_WORKING) {
        throw new MeshError('TASK_TERMINAL', 'the turn is over', { details: { taskId: id } });
      }
      yield* appendChange(services, head, change, fields);
    });
  }

  async #runEffect<T>(key: string, effect: () => Promise<T>, idempotent: boolean): Promise<T> {
    const { database, store } = this.#services;
    const id: EffectKey = { caller: this.#job.head.caller, effectKey: this.effectKey, key };
    const earlier = await this.#startEffect(id, idempotent);
    // The result was stored by an earlier run of the same effect.
    if (earlier) return earlier.result as T;
    killPoint('effect-intent');
    let result: T;
    try {
      result = await effect();
    } catch (error) {
      // Aborted in the middle, or declared unknown: the intent must stay.
      const isUnknown = this.signal.aborted || (isMeshError(error) && error.code === 'OUTCOME_UNKNOWN');
      if (!isUnknown) await database.write(() => store.forgetEffect(id));
      throw error;
    }
    killPoint('effect-done');
    await database.write(() => store.finishEffect(id, result));
    killPoint('effect-stored');
    return result;
  }

  #startEffect(id: EffectKey, idempotent: boolean): Promise<{ result: unknown } | undefined> {
    const { database, store, now } = this.#services;
    const taskId = this.id;
    return database.write(function* (): Unit<{ result: unknown } | undefined> {
      const found = yield* store.findEffect(id);
      if (found?.done) return { result: found.result };
      if (found && !idempotent) {
        throw new MeshError('OUTCOME_UNKNOWN', `whether "${id.key}" has happened is not known`, {
          details: { effect: id.key, taskId: found.taskId },
        });
      }
      yield* store.startEffect(id, taskId, now());
      return undefined;
    });
  }
}

function resultArtifact(skillId: string, output: unknown, metadata: Record<string, unknown> | undefined) {
  const hasText = typeof output === 'object' && output !== null && 'text' in output && typeof output.text === 'string';
  return artifact({
    name: skillId,
    parts: [dataPart(output), textPart(hasText ? String(output.text) : JSON.stringify(output))],
    ...(metadata && { metadata, extensions: Object.keys(metadata) }),
  });
}
