import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { RawClient } from '@daca-mesh/sidecar/testing';
import { expect, it } from 'vitest';
import { conformance, outcome, patient, row } from './suite.ts';

conformance('with an API token', { apiToken: 'secret' }, (subject) => {
  row('token', () => {
    const refusal = { code: 16, details: 'Unauthorized' };

    it('answers only who carries it', async () => {
      using stranger = new RawClient(subject.engine.address);
      using thief = new RawClient(subject.engine.address, 'wrong');
      expect(await outcome(stranger.call('hello', {}))).toEqual(refusal);
      expect(await outcome(thief.call('hello', {}))).toEqual(refusal);
      expect(await outcome(subject.raw.call('hello', {}))).toMatchObject({ $typeName: 'google.protobuf.Empty' });
    });

    it('gives work only to who carries it', async () => {
      using stranger = new RawClient(subject.engine.address);
      const worker = stranger.worker();
      await expect.poll(() => worker.ended, patient).toMatchObject({ code: 16 });
    });

    it('is the token of the HTTP API too', async () => {
      const url = `${subject.engine.httpUrl}/v1.0/workflows/dapr/unknown`;
      expect((await fetch(url)).status).toBe(401);
      expect((await fetch(url, { headers: { 'dapr-api-token': 'secret' } })).status).toBe(404);
    });

    it('listens on loopback only', async () => {
      const addresses = Object.values(networkInterfaces())
        .flatMap((each) => each ?? [])
        .filter(({ internal, family }) => !internal && family === 'IPv4');
      const ports = [subject.engine.port, Number(new URL(subject.engine.httpUrl).port)];
      for (const { address } of addresses) {
        for (const port of ports) expect(await canConnect(address, port)).toBe(false);
      }
      for (const port of ports) expect(await canConnect('127.0.0.1', port)).toBe(true);
    });
  });
});

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const settle = (isConnected: boolean) => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.on('connect', () => settle(true));
    socket.on('error', () => settle(false));
    socket.on('timeout', () => settle(false));
  });
}
