import { type Message, Part, roleToJSON, TaskState } from '@a2a-js/sdk';
import { parseAnswer } from '../../answers.ts';
import { extensionData, extensionUris } from '../../extensions.ts';
import { digest, newId, newTaskId } from '../../ids.ts';
import { MeshError } from '../../mesh-error.ts';
import type { Question } from '../../question.ts';
import { isTerminal } from '../../task-states.ts';
import { afterCommit, type Unit } from '../database/unit.ts';
import { killPoint } from '../kill-point.ts';
import type { Skill } from '../skill.ts';
import type { TaskHead } from '../store/task-store.ts';
import { appendChange } from './append-change.ts';
import type { CoreServices } from './core-services.ts';
import { namedSkill, type SkillChoice, type SkillChooser } from './skill-choice.ts';
import type { TaskRunner } from './task-runner.ts';

/** What {@link TaskSends} works with. */
export interface TaskSendsOptions {
  services: CoreServices;
  skills: Readonly<Record<string, Skill>>;
  chooser: SkillChooser;
  runner: TaskRunner;
  /** Whether a repeated messageId is recognized. */
  idempotency: boolean;
}

/** Takes messages: each becomes a task, an answer, or word of the task it already became. */
export class TaskSends {
  readonly #options: TaskSendsOptions;

  constructor(options: TaskSendsOptions) {
    this.#options = options;
  }

  /** @returns The id of the task, once everything the message caused is committed. */
  async take(message: Message, caller: string): Promise<string> {
    return message.taskId === '' ? this.#start(message, caller) : this.#followUp(message, caller);
  }

  async #start(message: Message, caller: string): Promise<string> {
    const { runner, services, chooser } = this.#options;
    const choice = chooser.choose(message);
    if (choice.skill.kind === 'detached') {
      return services.database.write(() => this.#createDetached(choice, message, caller));
    }
    runner.assertRoom();
    const hasSlot = runner.reserve();
    let isUsed = false;
    try {
      return await services.database.write(() =>
        this.#createExecuted(choice, { message, caller, hasSlot, onCreated: () => (isUsed = hasSlot) }),
      );
    } finally {
      if (hasSlot && !isUsed) runner.release();
    }
  }

  *#createExecuted(
    choice: SkillChoice,
    send: { message: Message; caller: string; hasSlot: boolean; onCreated: () => void },
  ): Unit<string> {
    const { services, runner } = this.#options;
    const { message, caller, hasSlot } = send;
    const { skill } = choice;
    if (skill.kind !== 'executed') throw new TypeError('a detached skill has no executor');
    const taskId = newTaskId();
    const earlier = yield* this.#record(message, caller, taskId);
    if (earlier !== undefined) return earlier;
    const atMs = services.now();
    const identity = this.#identity(choice, message, caller, taskId);
    const head = yield* services.store.create({
      ...identity,
      detached: false,
      state: hasSlot ? TaskState.TASK_STATE_WORKING : TaskState.TASK_STATE_SUBMITTED,
      attempts: hasSlot ? 1 : 0,
      deadlineAtMs: hasSlot && skill.timeoutMs !== undefined ? atMs + skill.timeoutMs : undefined,
      atMs,
      message: { ...message, taskId, contextId: identity.contextId },
    });
    yield* afterCommit(() => {
      killPoint('task-created');
      send.onCreated();
      if (hasSlot) runner.start({ head, skill, input: choice.input, message, resumed: undefined });
      else runner.enqueue(taskId);
    });
    return taskId;
  }

  *#createDetached(choice: SkillChoice, message: Message, caller: string): Unit<string> {
    const { services } = this.#options;
    const { skill, input } = choice;
    if (skill.kind !== 'detached') throw new TypeError('an executed skill has no owner');
    const taskId = newTaskId();
    const earlier = yield* this.#record(message, caller, taskId);
    if (earlier !== undefined) return earlier;
    const identity = this.#identity(choice, message, caller, taskId);
    yield* services.store.create({
      ...identity,
      detached: true,
      state: TaskState.TASK_STATE_SUBMITTED,
      attempts: 0,
      deadlineAtMs: undefined,
      atMs: services.now(),
      message: { ...message, taskId, contextId: identity.contextId },
    });
    yield* skill.onStart({ taskId, contextId: identity.contextId, input, message, caller });
    yield* afterCommit(() => killPoint('task-created'));
    return taskId;
  }

  #identity(choice: SkillChoice, message: Message, caller: string, taskId: string) {
    return {
      id: taskId,
      caller: this.#options.services.ownerOf(caller),
      contextId: message.contextId === '' ? newId() : message.contextId,
      skillId: choice.skillId,
      effectKey: effectKeyOf(message, this.#options.idempotency ? message.messageId : taskId),
    };
  }

  async #followUp(message: Message, caller: string): Promise<string> {
    const { services } = this.#options;
    // Seen before the commit: an answer counts for the question open now, not for one asked while it waits in the queue.
    const received = await services.database.read(() => services.store.head(message.taskId));
    return services.database.write(() => this.#followUpUnit(received?.question, message, caller));
  }

  *#followUpUnit(received: Question | undefined, message: Message, caller: string): Unit<string> {
    const { services, skills } = this.#options;
    const head = yield* ownTask(services, message.taskId, caller);
    if (message.contextId !== '' && message.contextId !== head.contextId) {
      throw new MeshError('INVALID_ARGUMENT', 'the task belongs to another context', {
        details: { path: 'message.contextId' },
      });
    }
    const earlier = yield* this.#record(message, caller, head.id);
    if (earlier !== undefined) return earlier;
    if (isTerminal(head.state)) {
      throw new MeshError('TASK_TERMINAL', 'the task is over; send a new message without taskId', {
        details: { taskId: head.id },
      });
    }
    if (!head.detached) {
      yield* this.#answer(head, received, message);
      return head.id;
    }
    const owner = Object.hasOwn(skills, head.skillId) ? skills[head.skillId] : undefined;
    if (owner?.kind !== 'detached') throw new MeshError('SKILL_NOT_FOUND', 'this agent no longer has the skill');
    const task = yield* services.store.load(head.id);
    if (!task) throw new MeshError('TASK_NOT_FOUND', 'there is no such task');
    yield* services.store.addMessage(head.id, { ...message, contextId: head.contextId });
    yield* owner.onMessage({ task, message, caller });
    return head.id;
  }

  *#answer(head: TaskHead, received: Question | undefined, message: Message): Unit<void> {
    const { services, runner } = this.#options;
    const { question } = head;
    if (!question) {
      if (head.asked > 0) throw new MeshError('QUESTION_CLOSED', 'the question is no longer open');
      throw new MeshError('TASK_BUSY', 'the task takes no message while it works', { retryable: true });
    }
    if (question.id !== received?.id) {
      throw new MeshError('QUESTION_CLOSED', 'the question was closed while the message was on its way');
    }
    const { answer } = parseAnswer(message, { open: [question], hadEarlier: head.asked > 1 });
    // The question joins the history, so that a reader of the task sees what was answered.
    if (head.status.message) yield* services.store.addMessage(head.id, head.status.message);
    yield* services.store.addMessage(head.id, { ...message, contextId: head.contextId });
    yield* appendChange(
      services,
      head,
      { status: { state: TaskState.TASK_STATE_WORKING } },
      { question: null, answer, attempts: 0, deadlineAtMs: null },
    );
    yield* afterCommit(() => {
      killPoint('answer-stored');
      runner.enqueue(head.id);
    });
  }

  *#record(message: Message, caller: string, taskId: string): Unit<string | undefined> {
    const { services, idempotency } = this.#options;
    if (!idempotency) return undefined;
    const { messageId } = message;
    return yield* services.store.recordSend({
      caller,
      messageId,
      bodyHash: bodyHash(message),
      taskId,
      atMs: services.now(),
    });
  }
}

/** A task of this caller. Another caller's task is answered exactly like one that does not exist. */
export function* ownTask({ store, ownerOf }: CoreServices, taskId: string, caller: string): Unit<TaskHead> {
  const head = yield* store.head(taskId);
  if (head?.caller === ownerOf(caller)) return head;
  throw new MeshError('TASK_NOT_FOUND', 'there is no such task', { details: { taskId } });
}

/** What makes two sends the same: their content and address, not configuration or volatile metadata. */
function bodyHash(message: Message): string {
  return digest({
    role: roleToJSON(message.role),
    parts: message.parts.map((part) => Part.toJSON(part)),
    taskId: message.taskId,
    contextId: message.contextId,
    referenceTaskIds: message.referenceTaskIds,
    skillId: namedSkill(message),
  });
}

function effectKeyOf(message: Message, fallback: string): string {
  const given = extensionData(message.metadata, extensionUris.idempotency)?.['effectKey'];
  return typeof given === 'string' && given !== '' ? given : `message:${fallback}`;
}
