import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';

describe('parseConfig', () => {
  it('needs nothing on a laptop: loopback, any port, the embedded engine', () => {
    expect(parseConfig({})).toMatchObject({ host: '127.0.0.1', port: 0, peers: [], daprEndpoint: undefined });
  });

  it("serves Dapr's HTTP API where it is given a port", () => {
    expect(parseConfig({}).daprHttpPort).toBeUndefined();
    expect(parseConfig({ MESH_DAPR_HTTP_PORT: '3500' }).daprHttpPort).toBe(3500);
    expect(() => parseConfig({ MESH_DAPR_HTTP_PORT: '65536' })).toThrow(/MESH_DAPR_HTTP_PORT/);
  });

  it('reads the origins of the peers', () => {
    const { peers } = parseConfig({ MESH_PEERS: 'http://127.0.0.1:4101/, http://127.0.0.1:4102' });
    expect(peers).toEqual(['http://127.0.0.1:4101', 'http://127.0.0.1:4102']);
  });

  it('reads the origins of agents outside the mesh that may be called', () => {
    const allowed = 'https://agents.example/some/card.json http://10.0.0.7:9000';
    expect(parseConfig({ MESH_ALLOW_AGENTS: allowed }).allowedAgents).toEqual([
      'https://agents.example',
      'http://10.0.0.7:9000',
    ]);
    expect(parseConfig({}).allowedAgents).toEqual([]);
    expect(() => parseConfig({ MESH_ALLOW_AGENTS: '*' })).toThrow(/MESH_ALLOW_AGENTS/);
  });

  it('knows the model endpoint the agents use, to watch it', () => {
    expect(parseConfig({ OPENAI_API_KEY: '', OPENAI_BASE_URL: '' }).model).toBeUndefined();
    expect(parseConfig({ OPENAI_API_KEY: 'key', MESH_MODEL: 'offline' }).model).toBeUndefined();
    expect(parseConfig({ OPENAI_API_KEY: 'key' }).model?.url).toBe('https://api.openai.com/v1');
    const url = 'http://127.0.0.1:8000/v1';
    expect(parseConfig({ OPENAI_BASE_URL: url }).model).toEqual({ url, apiKey: undefined });
  });

  it('takes no secret for webhooks that anybody could guess', () => {
    for (const secret of ['short', 'whsec_', 'whsec_?!?!?!?!?!?!?!?!?!?!', 'whsec_c2hvcnQ=']) {
      expect(() => parseConfig({ MESH_WEBHOOK_SECRET: secret })).toThrow(/MESH_WEBHOOK_SECRET: must have 16 bytes/);
    }
    const secret = 'whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==';
    expect(parseConfig({ MESH_WEBHOOK_SECRET: secret }).events.webhookSecret).toBe(secret);
  });

  it('uses Dapr where an endpoint is given, unless told otherwise', () => {
    expect(parseConfig({ DAPR_GRPC_ENDPOINT: '127.0.0.1:50001' }).daprEndpoint).toBe('127.0.0.1:50001');
    expect(
      parseConfig({ DAPR_GRPC_ENDPOINT: '127.0.0.1:50001', MESH_ENGINE: 'embedded' }).daprEndpoint,
    ).toBeUndefined();
  });

  it('names every variable in error at once', () => {
    const wrong = { MESH_PORT: '99999', MESH_PEERS: 'ftp://x', MESH_ENGINE: 'steam' };
    expect(() => parseConfig(wrong)).toThrow(/MESH_PORT[^]*MESH_PEERS[^]*MESH_ENGINE/);
    expect(() => parseConfig({ MESH_ENGINE: 'dapr' })).toThrow(/DAPR_GRPC_ENDPOINT/);
  });

  it('cannot be changed afterwards', () => {
    expect(() => Object.assign(parseConfig({}), { port: 1 })).toThrow(TypeError);
  });
});
