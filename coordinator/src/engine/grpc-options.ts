import type { ChannelOptions, Interceptor } from '@grpc/grpc-js';

/** How soon an engine that went silent is given up. The defaults are for production; tests have less patience. */
export interface EngineTiming {
  /** Longest silence on a connection before it is probed. daprd ends connections that probe every 8 s or more often. */
  keepaliveMs: number;
  /** How long the answer to a probe may take; then the connection counts as dead, with everything on it. */
  keepaliveTimeoutMs: number;
  /** How long making a connection may take at first; after each try that took longer, twice as long, up to 30 s. */
  connectMs: number;
  /** The longest a request may take. The SDK sets no limit at all. */
  requestMs: number;
}

export const defaultTiming: EngineTiming = {
  keepaliveMs: 10_000,
  keepaliveTimeoutMs: 5_000,
  connectMs: 5_000,
  requestMs: 10_000,
};

/** The channel options of worker and client, and what their calls pass. */
export function toGrpcOptions(
  { keepaliveMs, keepaliveTimeoutMs }: EngineTiming,
  interceptors: readonly Interceptor[],
): ChannelOptions {
  return {
    interceptors,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    // By default the pauses between tries to connect grow to two minutes, which an engine that is back would wait.
    'grpc.initial_reconnect_backoff_ms': 250,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // Introspection that nobody reads, at a price per call.
    'grpc.enable_channelz': 0,
    // Each has a connection of its own: gRPC's common pool keeps one that got stuck while it was made, for all of them.
    'grpc.use_local_subchannel_pool': 1,
  };
}
