export {
  AgentClient,
  type AgentClientOptions,
  type AnswerOptions,
  type CallOptions,
  type ListFilter,
} from './agent-client.ts';
export type { AgentEvent } from './agent-event.ts';
export {
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  type HttpStream,
  nodeHttpClient,
} from './http-client.ts';
export type { SendFields } from './send-request.ts';
export { taskError, taskQuestion, taskResult } from './task-outcome.ts';
