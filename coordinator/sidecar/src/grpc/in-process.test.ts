import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { EmptySchema, type Empty } from '@bufbuild/protobuf/wkt';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TaskHubSidecarService, WorkItemSchema } from '../gen/durable_task_pb.ts';
import { createInProcessInterceptor } from './in-process.ts';
import type { ServiceHandlers } from './service-adapter.ts';

type Handlers = ServiceHandlers<(typeof TaskHubSidecarService)['method']>;

const onInternalError = vi.fn<(error: unknown) => void>();
const clients: Client[] = [];

function clientOf(handlers: Partial<Handlers>): Client {
  // Only the methods that a test calls.
  const interceptor = createInProcessInterceptor(TaskHubSidecarService, handlers as Handlers, {
    guard: () => {},
    onInternalError,
  });
  const client = new Client('127.0.0.1:1', credentials.createInsecure(), { interceptors: [interceptor] });
  clients.push(client);
  return client;
}

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  onInternalError.mockClear();
});

const path = (name: string) => `/${TaskHubSidecarService.typeName}/${name}`;
const encode = (): Buffer => Buffer.from(toBinary(EmptySchema, create(EmptySchema)));
const decode = (bytes: Buffer): Empty => fromBinary(EmptySchema, bytes);
const sizeOf = (bytes: Buffer): number => bytes.length;
const broken = (): never => {
  throw new Error('broken');
};

interface Codec {
  readonly encode?: () => Buffer;
  readonly decode?: (bytes: Buffer) => Empty;
  readonly deadline?: number;
}

const call = (client: Client, name: string, codec: Codec = {}): Promise<Empty | undefined> =>
  new Promise((resolve, reject) => {
    const { deadline = Number.POSITIVE_INFINITY } = codec;
    const answered = (error: ServiceError | null, response?: Empty) => (error ? reject(error) : resolve(response));
    client.makeUnaryRequest(path(name), codec.encode ?? encode, codec.decode ?? decode, {}, { deadline }, answered);
  });

const hello: Handlers['hello'] = async () => create(EmptySchema);
const helloLater: Handlers['hello'] = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return create(EmptySchema);
};
const failed = (details: string): unknown => expect.objectContaining({ code: status.INTERNAL, details });

/** A stream with the handler's side of it, and what the client was told. */
async function open(decodeItem = sizeOf) {
  const begun = Promise.withResolvers<[Parameters<Handlers['getWorkItems']>[1], AbortSignal]>();
  const client = clientOf({ getWorkItems: (_request, to, context) => begun.resolve([to, context.signal]) });
  const told: unknown[] = [];
  const stream = client
    .makeServerStreamRequest(path('GetWorkItems'), encode, decodeItem, {})
    .on('data', (length) => told.push(length))
    .on('end', () => told.push('end'))
    .on('error', (error: ServiceError) => told.push(status[error.code]));
  const [to, signal] = await begun.promise;
  return { stream, to, signal, told };
}

describe('a call in the process', () => {
  it('fails, and nothing else does, when a message cannot be encoded or decoded', async () => {
    const handler = vi.fn<Handlers['hello']>(hello);
    const client = clientOf({ hello: handler });
    await expect(call(client, 'Hello', { encode: broken })).rejects.toEqual(
      failed('Request message serialization failure: broken'),
    );
    expect(handler).not.toHaveBeenCalled();
    await expect(call(client, 'Hello', { decode: broken })).rejects.toEqual(
      failed('Response message parsing error: broken'),
    );
    await expect(call(client, 'Hello')).resolves.toBeDefined();
  });

  it('fails when what the handler answers cannot be encoded, or the handler throws at once', async () => {
    // A handler of the wrong type, as only a defect of ours would be.
    const wrong = (async () => undefined) as never;
    const client = clientOf({ getInstance: wrong, hello: broken });
    await expect(call(client, 'GetInstance')).rejects.toMatchObject({ code: status.INTERNAL });
    await expect(call(client, 'Hello')).rejects.toMatchObject({ code: status.INTERNAL });
    expect(onInternalError).toHaveBeenCalledTimes(2);
  });

  it('takes a deadline further off than a timer can count for none', async () => {
    const client = clientOf({ hello: helloLater });
    await expect(call(client, 'Hello', { deadline: Date.now() + 2 ** 32 })).resolves.toBeDefined();
  });

  it('tells of a cancellation only after it was asked for, and the handler too', async () => {
    let signal: AbortSignal | undefined;
    const client = clientOf({
      hello: async (_request, context) => {
        signal = context.signal;
        return new Promise(() => {});
      },
    });
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const cancelled = client.makeUnaryRequest(path('Hello'), encode, decode, {}, resolve);
    await vi.waitFor(() => expect(signal).toBeDefined());
    let over = false;
    cancelled.on('status', () => (over = true));
    cancelled.cancel();
    expect(over).toBe(false);
    expect(await promise).toMatchObject({ code: status.CANCELLED });
    expect(signal?.aborted).toBe(true);
  });

  describe('that is a stream', () => {
    const item = toBinary(WorkItemSchema, create(WorkItemSchema, { completionToken: 'token' }));

    it('ends once, and sends nothing after that', async () => {
      const { to, signal, told } = await open();
      to.send(item);
      to.end();
      to.send(item);
      to.end();
      await vi.waitFor(() => expect(told).toEqual([item.length, 'end']));
      expect(signal.aborted).toBe(true);
    });

    it('may be cancelled while items are sent', async () => {
      const { stream, to, signal, told } = await open();
      to.send(item);
      stream.cancel();
      to.send(item);
      to.end();
      await vi.waitFor(() => expect(told).toEqual(['CANCELLED', 'end']));
      expect(signal.aborted).toBe(true);
    });

    it('ends with an item that cannot be decoded', async () => {
      const { to, signal, told } = await open(broken);
      to.send(item);
      to.send(item);
      await vi.waitFor(() => expect(told).toEqual(['INTERNAL', 'end']));
      expect(signal.aborted).toBe(true);
    });
  });
});
