export { collect } from './collect.ts';
export type { PeerContract, StartedPeer, StartOptions } from './contract/contract-context.ts';
export { describePeerContract } from './describe-peer-contract.ts';
export { type ForeignAgent, type ForeignAgentOptions, startForeignAgent } from './foreign-agent.ts';
export { type ModelEndpoint, type ModelReply, startModelEndpoint } from './model-endpoint.ts';
export { runReadmeCurl } from './readme-curl.ts';
