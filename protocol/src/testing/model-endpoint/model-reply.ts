/** How a streamed answer breaks off, halfway through. */
export type StreamFault =
  /** The connection is destroyed in the middle of an event. */
  | 'cut'
  /** An event that is no JSON. */
  | 'garbage'
  /** Nothing comes any more, and the connection stays open. */
  | 'stall'
  /** The stream ends in order, without its last events. */
  | 'unfinished';

/** A call of a tool that the model asks for. */
export interface ModelToolCall {
  name: string;
  /** As JSON; a text is sent as it is. */
  arguments: object | string;
  /** `call-<n>` by default, counted over all replies. */
  id?: string;
}

/** What the endpoint does with one request. */
export type ModelReply =
  /** An error. `retryAfter` is the header; without it the client is asked to come again at once. */
  | { status: number; retryAfter?: string }
  /** Answers with this text, in pieces and with a pause before each where it is streamed. */
  | { answer: string; pauseMs?: number; fault?: StreamFault }
  /** Calls tools. */
  | { calls: readonly ModelToolCall[] }
  /** Declines in the way the format has for it. */
  | { refusal: string }
  /** Takes the request and never answers. */
  | { silent: true };

/** A reply in which the model says something. */
export type SpokenReply = Exclude<ModelReply, { status: number } | { silent: true }>;

/** What an endpoint speaks: how a reply looks in one piece, and as the events of a stream. */
export interface WireFormat {
  toBody(reply: SpokenReply, model: unknown): object;
  /** The events in order, as they are written after `data: `. */
  toEvents(reply: SpokenReply, model: unknown): string[];
}

/** A call's arguments as they are sent. */
export const argumentsOf = ({ arguments: given }: Pick<ModelToolCall, 'arguments'>): string =>
  typeof given === 'string' ? given : JSON.stringify(given);

/** The pieces an answer is streamed in. */
export const piecesOf = (text: string): string[] => text.match(/[\s\S]{1,12}/g) ?? [];
