import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AgentCard, type Message, TaskState } from '@a2a-js/sdk';
import {
  type AgentExecutor,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryTaskStore,
  type RequestContext,
  AgentEvent,
} from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';
import { agentMessage, artifact, textOf, textPart } from '../parts.ts';

/** A running agent made with nothing but the official SDK. */
export interface ForeignAgent extends AsyncDisposable {
  url: string;
  /** How many messages reached the executor. */
  readonly executions: number;
}

/** How {@link startForeignAgent} differs from its defaults. */
export interface ForeignAgentOptions {
  /** The bindings of its card, in order of preference; both by default, JSON-RPC first. */
  bindings?: ('JSONRPC' | 'HTTP+JSON')[];
  streaming?: boolean;
}

/**
 * An agent as others write it: the SDK's request handler and express handlers, no generations, no idempotency, no
 * event ids, streams that close at INPUT_REQUIRED. Its message's text decides: `ask` asks for a name, `reply` answers
 * with a bare message, `fail` fails, `slow` works for a while, anything else is echoed in upper case.
 */
export async function startForeignAgent(options: ForeignAgentOptions = {}): Promise<ForeignAgent> {
  const executor = new EchoExecutor();
  const app = express();
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const card = AgentCard.fromJSON({
    name: 'foreign-echo',
    description: 'Echoes text',
    version: '1.0.0',
    supportedInterfaces: (options.bindings ?? ['JSONRPC', 'HTTP+JSON']).map((protocolBinding) => ({
      url: protocolBinding === 'JSONRPC' ? `${url}/rpc` : `${url}/rest`,
      protocolBinding,
      protocolVersion: '1.0',
    })),
    capabilities: { streaming: options.streaming ?? true },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'echo', name: 'Echo', description: 'Echoes', tags: ['echo'] }],
  });
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  const handlers = { requestHandler, userBuilder: UserBuilder.noAuthentication };
  // The SDK serializes the in-memory object; its own toJSON gives the ProtoJSON the specification demands.
  const wireCard = AgentCard.toJSON(card) as AgentCard;
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: async () => wireCard }));
  app.use('/rpc', jsonRpcHandler(handlers));
  app.use('/rest', restHandler(handlers));
  return {
    url,
    get executions() {
      return executor.executions;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class EchoExecutor implements AgentExecutor {
  executions = 0;

  async execute(context: RequestContext, bus: ExecutionEventBus): Promise<void> {
    this.executions++;
    const { taskId, contextId, userMessage } = context;
    const text = textOf(userMessage.parts);
    if (text === 'reply') {
      bus.publish(AgentEvent.message(agentMessage({ parts: [textPart('just a message')], contextId })));
      bus.finished();
      return;
    }
    const publish = (state: TaskState, message?: Message): void =>
      bus.publish(
        AgentEvent.statusUpdate({
          taskId,
          contextId,
          status: { state, message, timestamp: new Date().toISOString() },
          metadata: undefined,
        }),
      );
    bus.publish(
      AgentEvent.task({
        id: taskId,
        contextId,
        status: { state: TaskState.TASK_STATE_SUBMITTED, message: undefined, timestamp: new Date().toISOString() },
        artifacts: [],
        history: [userMessage],
        metadata: undefined,
      }),
    );
    const say = (words: string): Message => agentMessage({ parts: [textPart(words)], taskId, contextId });
    publish(TaskState.TASK_STATE_WORKING);
    if (text === 'ask') publish(TaskState.TASK_STATE_INPUT_REQUIRED, say('What is your name?'));
    else if (text === 'fail') publish(TaskState.TASK_STATE_FAILED, say('it broke'));
    else {
      if (text === 'slow') await new Promise((resolve) => setTimeout(resolve, 400));
      bus.publish(
        AgentEvent.artifactUpdate({
          taskId,
          contextId,
          artifact: artifact({ name: 'echo', parts: [textPart(text.toUpperCase())] }),
          append: false,
          lastChunk: true,
          metadata: undefined,
        }),
      );
      publish(TaskState.TASK_STATE_COMPLETED);
    }
    bus.finished();
  }

  async cancelTask(taskId: string, bus: ExecutionEventBus): Promise<void> {
    bus.publish(
      AgentEvent.statusUpdate({
        taskId,
        contextId: '',
        status: { state: TaskState.TASK_STATE_CANCELED, message: undefined, timestamp: new Date().toISOString() },
        metadata: undefined,
      }),
    );
    bus.finished();
  }
}
