import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';

describe('parseConfig', () => {
  it('needs nothing on a laptop: loopback, any port, the embedded engine', () => {
    expect(parseConfig({})).toMatchObject({ host: '127.0.0.1', port: 0, peers: [], daprEndpoint: undefined });
  });

  it('reads the origins of the peers', () => {
    const { peers } = parseConfig({ MESH_PEERS: 'http://127.0.0.1:4101/, http://127.0.0.1:4102' });
    expect(peers).toEqual(['http://127.0.0.1:4101', 'http://127.0.0.1:4102']);
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
