import services from '@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_grpc_pb.js';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { messages, newMessage } from '../sdk.ts';
import type { ActivityAnswer, TurnAnswer, TurnRequest } from '../sdk-worker.ts';

type WorkItem = InstanceType<typeof messages.WorkItem>;
type HistoryEvent = ReturnType<TurnRequest['getNeweventsList']>[number];

/** Throws to refuse a call: an `EngineRefusal` for a status of its own. Without a handler a call succeeds. */
type Handler = (call: ServerUnaryCall<unknown, unknown>) => unknown;

/** What an engine says to a call. */
export class EngineRefusal extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

const answers = {
  startInstance: messages.CreateInstanceResponse,
  getInstance: messages.GetInstanceResponse,
  raiseEvent: messages.RaiseEventResponse,
  terminateInstance: messages.TerminateResponse,
  purgeInstances: messages.PurgeInstancesResponse,
};
type CallName = keyof typeof answers;

/**
 * An engine in the hands of a test: it hands out the work items it is given, and answers calls as it is told. It keeps
 * nothing.
 */
export class TaskHub implements AsyncDisposable {
  readonly #server = new Server({ 'grpc.enable_channelz': 0 });
  readonly #streams = new Set<ServerWritableStream<unknown, WorkItem>>();
  readonly #handlers = new Map<CallName, Handler>();
  readonly #turns: { sent: TurnRequest; answered: (answer: TurnAnswer) => void }[] = [];
  readonly #activities = new Map<string, (answer: ActivityAnswer) => void>();
  /** How often each call was made. */
  readonly calls = new Map<CallName, number>();
  /** Refuses a worker by throwing. */
  onHello: () => void = () => undefined;
  /** Refuses the answer of a turn, or of an activity, by throwing. */
  onTurn: (answer: TurnAnswer) => void = () => undefined;
  onActivity: (answer: ActivityAnswer) => void = () => undefined;
  address = '';

  static async start(): Promise<TaskHub> {
    const hub = new TaskHub();
    hub.#server.addService(services.TaskHubSidecarServiceService, {
      // Both are the empty message.
      hello: hub.#answer(async ({ request }) => {
        hub.onHello();
        return request;
      }),
      getWorkItems: (stream: ServerWritableStream<unknown, WorkItem>) => {
        hub.#streams.add(stream);
        stream.on('cancelled', () => hub.#streams.delete(stream));
      },
      completeOrchestratorTask: hub.#take<TurnAnswer>((answer) => {
        hub.onTurn(answer);
        const at = hub.#turns.findIndex(({ sent }) => sent.getInstanceid() === answer.getInstanceid());
        hub.#turns.splice(at, 1)[0]?.answered(answer);
      }),
      completeActivityTask: hub.#take<ActivityAnswer>((answer) => {
        hub.onActivity(answer);
        hub.#activities.get(`${answer.getInstanceid()} ${answer.getTaskid()}`)?.(answer);
      }),
      ...Object.fromEntries(Object.keys(answers).map((name) => [name, hub.#serve(name as CallName)])),
    });
    const port = await new Promise<number>((resolve, reject) => {
      hub.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    hub.address = `127.0.0.1:${port}`;
    return hub;
  }

  on(name: CallName, handler: Handler): void {
    this.#handlers.set(name, handler);
  }

  get workers(): number {
    return this.#streams.size;
  }

  /** Hands a turn to a worker; resolves with its answer. */
  turn(instanceId: string, past: HistoryEvent[], fresh: HistoryEvent[]): Promise<TurnAnswer> {
    const request = new messages.OrchestratorRequest();
    request.setInstanceid(instanceId);
    request.setPasteventsList(past);
    request.setNeweventsList(fresh);
    const item = new messages.WorkItem();
    item.setOrchestratorrequest(request);
    const { promise, resolve } = Promise.withResolvers<TurnAnswer>();
    this.#turns.push({ sent: request, answered: resolve });
    this.#send(item);
    return promise;
  }

  activity(instanceId: string, taskId: number, name: string, input: string): Promise<ActivityAnswer> {
    const request = new messages.ActivityRequest();
    request.setName(name);
    request.setTaskid(taskId);
    request.setInput(newMessage.getStringValue(input));
    const instance = new messages.OrchestrationInstance();
    instance.setInstanceid(instanceId);
    request.setOrchestrationinstance(instance);
    const item = new messages.WorkItem();
    item.setActivityrequest(request);
    const { promise, resolve } = Promise.withResolvers<ActivityAnswer>();
    this.#activities.set(`${instanceId} ${taskId}`, resolve);
    this.#send(item);
    return promise;
  }

  /** Ends the streams of all workers: in order, or with an error. */
  endStreams(error?: EngineRefusal): void {
    for (const stream of this.#streams) {
      if (error) stream.emit('error', error);
      else stream.end();
    }
    this.#streams.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  #send(item: WorkItem): void {
    const [stream] = this.#streams;
    if (!stream) throw new Error('no worker is connected');
    stream.write(item);
  }

  #serve(name: CallName) {
    return this.#answer(async (call: ServerUnaryCall<unknown, unknown>) => {
      this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
      return (await this.#handlers.get(name)?.(call)) ?? new answers[name]();
    });
  }

  #take<Answer>(accept: (answer: Answer) => void) {
    return this.#answer(async ({ request }: ServerUnaryCall<Answer, unknown>) => {
      accept(request);
      return new messages.CompleteTaskResponse();
    });
  }

  #answer<Request>(handle: (call: ServerUnaryCall<Request, unknown>) => Promise<unknown>) {
    return (call: ServerUnaryCall<Request, unknown>, reply: sendUnaryData<unknown>): void => {
      handle(call).then(
        (response) => reply(null, response),
        (error: unknown) => {
          const code = error instanceof EngineRefusal ? error.code : status.INTERNAL;
          reply({ code, details: error instanceof Error ? error.message : String(error) });
        },
      );
    };
  }
}
