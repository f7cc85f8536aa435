import { fromBinary, toBinary, type DescMethod } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import {
  InterceptingCall,
  Metadata,
  status,
  type Interceptor,
  type InterceptingListener,
  type InterceptorOptions,
  type StatusObject,
} from '@grpc/grpc-js';
import { toServiceError, type CallContext, type CallPolicy, type ServiceHandlers } from './service-adapter.ts';

/** As far as setTimeout can count; to grpc-js, what is further off is no deadline. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** What grpc-js asks of the bottom of a call. */
type BottomCall = ConstructorParameters<typeof InterceptingCall>[0];

interface Served {
  readonly method: DescMethod;
  // As in adaptService: which of the two it is depends on the method kind.
  readonly handler: unknown;
}

/**
 * A grpc-js client interceptor for clients in this process. What passes it is what would pass the wire, encoded messages,
 * metadata, deadlines and statuses, and the same handlers answer; only HTTP/2 and its sockets are left out, which cost
 * about a fifth of the processor time of a workflow. Clients are made as ever and never connect.
 */
export function createInProcessInterceptor<Methods extends GenServiceMethods>(
  service: GenService<Methods>,
  handlers: ServiceHandlers<Methods>,
  policy: CallPolicy,
): Interceptor {
  const served = new Map<string, Served>(
    service.methods.map((method) => [
      `/${service.typeName}/${method.name}`,
      // The keys of ServiceHandlers are the local names.
      { method, handler: handlers[method.localName as keyof Methods] },
    ]),
  );
  return (options) => new InterceptingCall(new InProcessCall(options, served, policy));
}

class InProcessCall implements BottomCall, CallContext {
  readonly #options: InterceptorOptions;
  readonly #served: ReadonlyMap<string, Served>;
  readonly #policy: CallPolicy;
  readonly #deadline: number;
  #metadata = new Metadata();
  #listener: Partial<InterceptingListener> = {};
  #request: Uint8Array = new Uint8Array();
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: InterceptorOptions, served: ReadonlyMap<string, Served>, policy: CallPolicy) {
    this.#options = options;
    this.#served = served;
    this.#policy = policy;
    this.#deadline = Number(options.deadline ?? Number.POSITIVE_INFINITY);
  }

  get sizeBytes(): number {
    return this.#request.length;
  }

  /** Made for those who look at it; aborted once the call is over, however it ended. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isOver) this.#abort.abort();
    return this.#abort.signal;
  }

  start(metadata: Metadata, listener: Partial<InterceptingListener> = {}): void {
    this.#metadata = metadata;
    this.#listener = listener;
    const leftMs = this.#deadline - Date.now();
    if (leftMs > MAX_TIMEOUT_MS) return;
    const end = () => this.cancelWithStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded');
    this.#timer = setTimeout(end, Math.max(leftMs, 0)).unref();
  }

  sendMessageWithContext(_context: unknown, message: unknown): void {
    try {
      this.#request = this.#options.method_definition.requestSerialize(message);
    } catch (error) {
      this.cancelWithStatus(status.INTERNAL, `Request message serialization failure: ${messageOf(error)}`);
    }
  }

  sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }

  halfClose(): void {
    // A call is begun when its caller is done: it may be in the middle of its bookkeeping.
    queueMicrotask(() => {
      if (this.#isOver || this.#deadline <= Date.now()) return;
      const served = this.#served.get(this.#options.method_definition.path);
      if (served === undefined) this.#end({ code: status.UNIMPLEMENTED, details: 'the server does not implement it' });
      else this.#serve(served);
    });
  }

  cancelWithStatus(code: status, details: string): void {
    this.#end({ code, details });
  }

  /** Everything is given as it comes: a reader that is slower has it waiting in its own buffer. */
  startRead(): void {}

  getPeer(): string {
    return 'in-process';
  }

  getAuthContext(): null {
    return null;
  }

  #serve({ method, handler }: Served): void {
    try {
      this.#policy.guard(this.#metadata);
      const request = fromBinary(method.input, this.#request);
      if (method.methodKind === 'unary') {
        // Of this signature, as its kind says.
        const answer = handler as (request: unknown, context: CallContext) => Promise<never>;
        answer(request, this)
          .then((response) => {
            this.#receive(toBinary(method.output, response));
            this.#end({ code: status.OK, details: 'OK' });
          })
          .catch((error: unknown) => this.#end(toServiceError(error, this.#policy)));
        return;
      }
      const stream = {
        // The same goes for the other direction.
        send: (message: Uint8Array) => queueMicrotask(() => this.#receive(message)),
        end: () => queueMicrotask(() => this.#end({ code: status.OK, details: 'OK' })),
      };
      // Of this signature, as its kind says.
      (handler as (request: unknown, to: typeof stream, context: CallContext) => void)(request, stream, this);
    } catch (error) {
      this.#end(toServiceError(error, this.#policy));
    }
  }

  #receive(message: Uint8Array): void {
    if (this.#isOver) return;
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    let received: unknown;
    try {
      received = this.#options.method_definition.responseDeserialize(bytes);
    } catch (error) {
      this.cancelWithStatus(status.INTERNAL, `Response message parsing error: ${messageOf(error)}`);
      return;
    }
    this.#listener.onReceiveMessage?.(received);
  }

  #end({ code, details }: Pick<StatusObject, 'code' | 'details'>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    // Later, as from a socket: whoever cancels a call may not be ready to hear that it is over.
    queueMicrotask(() => {
      this.#abort?.abort();
      this.#listener.onReceiveStatus?.({ code, details, metadata: new Metadata() });
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
