import type { EventEmitter } from 'node:events';
import { fromBinary, toBinary, type DescMessage, type DescMethod, type MessageShape } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import {
  status,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { toRpcError } from './rpc-error.ts';

/** What a handler knows about its call besides the request. */
export interface CallContext {
  /** Size of the encoded request. */
  readonly sizeBytes: number;
  /** Aborts when the caller gives up or goes away. */
  readonly signal: AbortSignal;
}

/** The sending half of a server stream. Messages go out as they are given, already encoded. */
interface ServerStream {
  send(message: Uint8Array): void;
  end(): void;
}

/** One handler per method of a service. */
export type ServiceHandlers<Methods extends GenServiceMethods> = {
  [Name in keyof Methods]: Methods[Name]['methodKind'] extends 'unary'
    ? (
        request: MessageShape<Methods[Name]['input']>,
        context: CallContext,
      ) => Promise<MessageShape<Methods[Name]['output']>>
    : (request: MessageShape<Methods[Name]['input']>, stream: ServerStream, context: CallContext) => void;
};

interface Received {
  readonly message: unknown;
  readonly sizeBytes: number;
}

/** What goes for every call of a service. */
export interface CallPolicy {
  /** Called before the handler; throws to refuse. */
  guard(metadata: Metadata): void;
  /** Is told what callers are not: the cause of an internal error. */
  onInternalError(error: unknown): void;
}

/** Serves a protobuf-es service with grpc-js. Unary and server-streaming methods only. */
export function adaptService<Methods extends GenServiceMethods>(
  service: GenService<Methods>,
  handlers: ServiceHandlers<Methods>,
  policy: CallPolicy,
): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
  const definition: Record<string, MethodDefinition<Received, unknown>> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    definition[method.localName] = toMethodDefinition(service.typeName, method);
    // The keys of ServiceHandlers are the local names, each with the signature its method kind asks for.
    const handler = handlers[method.localName as keyof Methods] as never;
    implementation[method.localName] =
      method.methodKind === 'unary' ? serveUnary(handler, policy) : serveStream(handler, policy);
  }
  return { definition, implementation };
}

function toMethodDefinition(typeName: string, method: DescMethod): MethodDefinition<Received, unknown> {
  const responseStream = method.methodKind === 'server_streaming';
  return {
    path: `/${typeName}/${method.name}`,
    requestStream: false,
    responseStream,
    requestSerialize: () => {
      throw new TypeError('only a server');
    },
    requestDeserialize: (bytes) => ({ message: fromBinary(method.input, bytes), sizeBytes: bytes.length }),
    // Streams carry messages that are encoded already; grpc-js hands over what the handlers gave it.
    responseSerialize: responseStream
      ? (bytes) => toBuffer(bytes as Uint8Array)
      : (message) => toBuffer(toBinary(method.output, message as MessageShape<DescMessage>)),
    responseDeserialize: () => {
      throw new TypeError('only a server');
    },
  };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Most calls are over before anybody could cancel them, so the signal is made only for those who look at it. */
class Call implements CallContext {
  readonly sizeBytes: number;
  readonly #events: EventEmitter;

  constructor(events: EventEmitter, sizeBytes: number) {
    this.#events = events;
    this.sizeBytes = sizeBytes;
  }

  get signal(): AbortSignal {
    const abort = new AbortController();
    for (const event of ['cancelled', 'close', 'error']) this.#events.once(event, () => abort.abort());
    return abort.signal;
  }
}

function serveUnary(
  handler: (request: unknown, context: CallContext) => Promise<unknown>,
  policy: CallPolicy,
): handleUnaryCall<Received, unknown> {
  return (call, callback) => {
    const answer = async (): Promise<unknown> => {
      policy.guard(call.metadata);
      return handler(call.request.message, new Call(call, call.request.sizeBytes));
    };
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error, policy)),
    );
  };
}

function serveStream(
  handler: (request: unknown, stream: ServerStream, context: CallContext) => void,
  policy: CallPolicy,
): handleServerStreamingCall<Received, unknown> {
  return (call) => {
    try {
      policy.guard(call.metadata);
      handler(
        call.request.message,
        { send: (message) => call.write(message), end: () => call.end() },
        new Call(call, call.request.sizeBytes),
      );
    } catch (error) {
      call.emit('error', toServiceError(error, policy));
    }
  };
}

export function toServiceError(error: unknown, policy: CallPolicy): { code: status; details: string } {
  const { code, message, cause } = toRpcError(error);
  if (code === status.INTERNAL) policy.onInternalError(cause ?? error);
  return { code, details: message };
}
