import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  Client,
  credentials,
  Metadata,
  type ClientReadableStream,
  type Interceptor,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  GetWorkItemsRequestSchema,
  TaskHubSidecarService,
  WorkItemSchema,
  type ActivityRequest,
  type WorkflowRequest,
  type WorkItem,
} from '../src/gen/durable_task_pb.ts';
import { vi } from 'vitest';
import type { Sidecar } from '../src/index.ts';

type Methods = (typeof TaskHubSidecarService)['method'];
type UnaryName = Exclude<keyof Methods, 'getWorkItems'>;

const nothing = (): Buffer => Buffer.alloc(0);

/** Speaks the protocol by hand, so that a test can send what no SDK would. */
export class RawClient implements Disposable {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string, apiToken?: string, interceptors: Interceptor[] = []) {
    this.#client = new Client(address, credentials.createInsecure(), { interceptors });
    if (apiToken !== undefined) this.#metadata.set('dapr-api-token', apiToken);
  }

  /** A client in the sidecar's own process. Its address is nobody's: what gets there did not need a socket. */
  static inProcess(sidecar: Sidecar, apiToken?: string): RawClient {
    return new RawClient('127.0.0.1:1', apiToken, [sidecar.inProcess]);
  }

  /** `cancelWith` ends the call early; after `deadline` (milliseconds since 1970) it ends by itself. */
  call<Name extends UnaryName>(
    name: Name,
    request: MessageInitShape<Methods[Name]['input']>,
    cancelWith?: AbortSignal,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<MessageShape<Methods[Name]['output']>> {
    const method: DescMethod = TaskHubSidecarService.method[name];
    const message = create<DescMessage>(method.input, request);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/${TaskHubSidecarService.typeName}/${method.name}`,
        (value: MessageShape<DescMessage>) => Buffer.from(toBinary(method.input, value)),
        // The method's own output schema decodes it.
        (bytes) => fromBinary(method.output, bytes) as MessageShape<Methods[Name]['output']>,
        message,
        this.#metadata,
        { deadline },
        (error: ServiceError | null, response) => {
          if (error !== null || response === undefined) reject(error ?? new Error('no response'));
          else resolve(response);
        },
      );
      cancelWith?.addEventListener('abort', () => call.cancel());
    });
  }

  /** Calls a method the sidecar does not have. */
  callUnknown(path: string): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#client.makeUnaryRequest(path, nothing, nothing, undefined, (error) =>
        reject(error ?? new Error('answered')),
      );
    });
  }

  worker(limits: MessageInitShape<typeof GetWorkItemsRequestSchema> = {}): RawWorker {
    const stream = this.#client.makeServerStreamRequest(
      `/${TaskHubSidecarService.typeName}/GetWorkItems`,
      (value: MessageShape<typeof GetWorkItemsRequestSchema>) =>
        Buffer.from(toBinary(GetWorkItemsRequestSchema, value)),
      (bytes) => fromBinary(WorkItemSchema, bytes),
      create(GetWorkItemsRequestSchema, limits),
      this.#metadata,
    );
    return new RawWorker(stream);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** A worker that does nothing by itself. */
export class RawWorker {
  readonly items: WorkItem[] = [];
  readonly #stream: ClientReadableStream<WorkItem>;
  ended: 'cleanly' | Error | undefined;

  constructor(stream: ClientReadableStream<WorkItem>) {
    this.#stream = stream;
    stream.on('data', (item: WorkItem) => this.items.push(item));
    stream.on('end', () => (this.ended ??= 'cleanly'));
    stream.on('error', (error) => (this.ended ??= error));
  }

  async nextTurn(): Promise<WorkflowRequest & { token: string }> {
    const { request, completionToken } = await this.#next();
    if (request.case !== 'workflowRequest') throw new Error(`expected a turn, got ${request.case}`);
    return { ...request.value, token: completionToken };
  }

  async nextActivity(): Promise<ActivityRequest & { token: string }> {
    const { request, completionToken } = await this.#next();
    if (request.case !== 'activityRequest') throw new Error(`expected an activity, got ${request.case}`);
    return { ...request.value, token: completionToken };
  }

  disconnect(): void {
    this.#stream.cancel();
  }

  #next(): Promise<WorkItem> {
    return vi.waitFor(
      () => {
        const item = this.items.shift();
        if (item === undefined) throw new Error('no work item came');
        return item;
      },
      { timeout: 5000, interval: 5 },
    );
  }
}
