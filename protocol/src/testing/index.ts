export { collect } from './collect.ts';
export type { PeerContract, StartedPeer, StartOptions } from './contract/contract-context.ts';
export { describePeerContract } from './describe-peer-contract.ts';
export { type ForeignAgent, type ForeignAgentOptions, startForeignAgent } from './foreign-agent.ts';
export { describeModelFaults, type ModelAgent } from './describe-model-faults.ts';
export { type ModelEndpoint, type SeenRequest, startModelEndpoint } from './model-endpoint/model-endpoint.ts';
export type { ModelReply, ModelToolCall, StreamFault } from './model-endpoint/model-reply.ts';
export { runReadmeCurl } from './readme-curl.ts';
export { NatsServer, skipNats } from './nats-server.ts';
