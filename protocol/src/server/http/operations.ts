import { type AgentCard, type ListTasksResponse, Task } from '@a2a-js/sdk';
import {
  ExtendedAgentCardNotConfiguredError,
  PushNotificationNotSupportedError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import type { Call, TaskCore, TaskEvent } from '../task-core.ts';
import { parseCancelTask, parseGetTask, parseListTasks, parseSendMessage, parseSubscribe } from './validation.ts';

/** A call that came over HTTP. */
export interface HttpCall extends Call {
  /** The generation in `Last-Event-ID`, where a stream goes on. */
  after: number | undefined;
}

/** One A2A operation: JSON in, ProtoJSON out, whatever the binding. */
export type Operation =
  | { kind: 'unary'; run: (params: Record<string, unknown>, call: HttpCall) => Promise<unknown> }
  | { kind: 'stream'; run: (params: Record<string, unknown>, call: HttpCall) => AsyncGenerator<TaskEvent> };

/** The names of A2A 1.0 (specification, 5.3). */
export type OperationName =
  | 'SendMessage'
  | 'SendStreamingMessage'
  | 'GetTask'
  | 'ListTasks'
  | 'CancelTask'
  | 'SubscribeToTask'
  | 'CreateTaskPushNotificationConfig'
  | 'GetTaskPushNotificationConfig'
  | 'ListTaskPushNotificationConfigs'
  | 'DeleteTaskPushNotificationConfig'
  | 'GetExtendedAgentCard';

/** All operations of an agent, by name. */
export type Operations = Readonly<Record<OperationName, Operation>>;

/** The operations over a task core. */
export function createOperations(core: TaskCore, card: AgentCard): Operations {
  const withoutPush: Operation = {
    kind: 'unary',
    run: async () => {
      throw new PushNotificationNotSupportedError('this agent does not send push notifications');
    },
  };
  return {
    SendMessage: {
      kind: 'unary',
      run: async (params, call) => {
        const request = parseSendMessage(params);
        if (request.configuration?.taskPushNotificationConfig) await withoutPush.run(params, call);
        return { task: Task.toJSON(await core.sendMessage(request, call)) };
      },
    },
    SendStreamingMessage: {
      kind: 'stream',
      run: async function* (params, call) {
        yield* core.streamMessage(parseSendMessage(params), call);
      },
    },
    GetTask: {
      kind: 'unary',
      run: async (params, call) => Task.toJSON(await core.getTask(parseGetTask(params), call)),
    },
    ListTasks: {
      kind: 'unary',
      run: async (params, call) => toListJson(await core.listTasks(parseListTasks(params), call)),
    },
    CancelTask: {
      kind: 'unary',
      run: async (params, call) => Task.toJSON(await core.cancelTask(parseCancelTask(params), call)),
    },
    SubscribeToTask: {
      kind: 'stream',
      run: async function* (params, call) {
        const { after, ...rest } = call;
        yield* core.subscribe(parseSubscribe(params).id, after === undefined ? rest : { ...rest, after });
      },
    },
    CreateTaskPushNotificationConfig: withoutPush,
    GetTaskPushNotificationConfig: withoutPush,
    ListTaskPushNotificationConfigs: withoutPush,
    DeleteTaskPushNotificationConfig: withoutPush,
    GetExtendedAgentCard: {
      kind: 'unary',
      run: async () => {
        if (!card.capabilities?.extendedAgentCard) throw new UnsupportedOperationError('this agent has one card only');
        throw new ExtendedAgentCardNotConfiguredError('no extended card is configured');
      },
    },
  };
}

/** Required fields stand there also when they are empty; the SDK's codec leaves them out. */
const toListJson = (response: ListTasksResponse): unknown => ({
  tasks: response.tasks.map((task) => Task.toJSON(task)),
  nextPageToken: response.nextPageToken,
  pageSize: response.pageSize,
  totalSize: response.totalSize,
});
