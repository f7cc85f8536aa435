import { describe, expect, it } from 'vitest';
import { parseAddress } from './address.ts';
import { toGrpcOptions, defaultTiming } from './grpc-options.ts';
import { WorkflowRuntime } from './sdk.ts';

describe('the address of an engine', () => {
  it.each([
    ['127.0.0.1:50001', 'dns:127.0.0.1:50001', false],
    ['localhost:50001', 'dns:localhost:50001', false],
    ['[::1]:50001', 'dns:[::1]:50001', false],
    [' dapr:50001 ', 'dns:dapr:50001', false],
    ['dns:dapr.local:50001', 'dns:dapr.local:50001', false],
    ['dns://10.0.0.53/dapr.local:50001', 'dns://10.0.0.53/dapr.local:50001', false],
    ['http://dapr.local:80', 'dns:dapr.local:80', false],
    ['grpc://dapr.local:50001', 'dns:dapr.local:50001', false],
    ['https://dapr.local:443', 'dns:dapr.local:443', true],
    ['https://dapr.local', 'dns:dapr.local:443', true],
    ['https://dapr.local:8443/', 'dns:dapr.local:8443', true],
    ['grpcs://dapr.local:50001', 'dns:dapr.local:50001', true],
    ['dapr.local:50001?tls=true', 'dns:dapr.local:50001', true],
    ['dapr.local:50001?tls=false', 'dns:dapr.local:50001', false],
    ['dns://10.0.0.53/dapr.local:50001?tls=true', 'dns://10.0.0.53/dapr.local:50001', true],
  ])('%s is understood by the SDK as %s, TLS: %s', (address, target, isSecure) => {
    const { host, port } = parseAddress(address);
    const runtime = new WorkflowRuntime({
      daprHost: host,
      daprPort: port,
      grpcOptions: toGrpcOptions(defaultTiming, []),
    });
    const worker: object = Reflect.get(runtime, 'worker');
    expect(Reflect.get(worker, '_hostAddress')).toBe(target);
    expect(Reflect.get(worker, '_tls')).toBe(isSecure);
  });

  it.each([
    ['', 'has no host'],
    ['dapr.local', 'needs a port'],
    ['http://dapr.local', 'needs a port'],
    ['dapr.local:0', 'needs a port'],
    ['dapr.local:65536', 'needs a port'],
    ['dapr.local:http', 'needs a port'],
    [':50001', 'has no host'],
    ['unix:/run/dapr.sock', 'cannot be a socket'],
    ['unix:///run/dapr.sock', 'cannot be a socket'],
    ['unix-abstract:dapr', 'cannot be a socket'],
    ['vsock:2:50001', 'cannot be a socket'],
    ['ftp://dapr.local:21', 'has the scheme ftp'],
    ['http://dapr.local:80/v1', 'has more than a host and a port (v1)'],
    ['http://me:secret@dapr.local:80', 'needs a port'],
    ['dapr.local:50001?tls=yes', 'has the query ?tls=yes'],
    ['https://dapr.local?tls=true', 'has the query ?tls=true'],
  ])('"%s" is refused: it %s', (address, reason) => {
    expect(() => parseAddress(address)).toThrow(TypeError);
    expect(() => parseAddress(address)).toThrow(reason);
  });
});
