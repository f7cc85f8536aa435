import type { HttpResponse } from './http-client.ts';

/** The operations of A2A this client uses (A2A specification, section 5.3), by their JSON-RPC names. */
export type Operation =
  | 'CancelTask'
  | 'GetTask'
  | 'ListTasks'
  | 'SendMessage'
  | 'SendStreamingMessage'
  | 'SubscribeToTask';

/** A request in the terms of one binding. */
export interface EncodedRequest {
  method: 'GET' | 'POST';
  url: string;
  body?: string;
}

/** How one protocol binding carries operations over HTTP. Requests and results are ProtoJSON. */
export interface Binding {
  encode(operation: Operation, params: Record<string, unknown>): EncodedRequest;
  /** The result of an operation. @throws MeshError the peer's refusal, or `PEER_FAILED` for what is no valid reply. */
  decode(response: HttpResponse): unknown;
  /** The StreamResponse in one server-sent event. @throws MeshError the peer's refusal. */
  decodeEvent(data: string): unknown;
}
