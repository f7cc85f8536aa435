import { randomUUID } from 'node:crypto';
import { CommunicationProtocolEnum, DaprClient } from '@dapr/dapr';
import { expect, it } from 'vitest';
import { register } from './program.ts';
import { conformance, patient, RUNNING, row, TERMINATED } from './suite.ts';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const notFound = (id: string) => ({
  status: 404,
  body: {
    errorCode: 'ERR_INSTANCE_ID_NOT_FOUND',
    message: `unable to find workflow with the provided instance ID: ${id}`,
  },
});

conformance('the HTTP API', { register }, (subject) => {
  async function send(method: 'GET' | 'POST', path: string, body?: string): Promise<Answer> {
    const init = body === undefined ? { method } : { method, body };
    const response = await fetch(`${subject.engine.httpUrl}/v1.0/workflows/dapr/${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text === '' ? '' : JSON.parse(text) };
  }
  const start = (name: string, id: string, input = '1') => send('POST', `${name}/start?instanceID=${id}`, input);

  row('http', () => {
    it('takes a whole life through the client of the SDK', async () => {
      const { workflow } = new DaprClient({
        daprHost: subject.engine.host,
        daprPort: new URL(subject.engine.httpUrl).port,
        communicationProtocol: CommunicationProtocolEnum.HTTP,
      });
      const id = randomUUID();
      const status = async () => (await workflow.getWorkflowState(id)).runtimeStatus;
      expect(await workflow.scheduleNewWorkflow('collect', 2, id)).toBe(id);
      await expect.poll(status, patient).toBe('RUNNING');
      await workflow.pause(id);
      await expect.poll(status, patient).toBe('SUSPENDED');
      await workflow.raiseEvent(id, 'item', { n: 1 });
      await workflow.resume(id);
      await workflow.raiseEvent(id, 'item', { n: 2 });
      await expect.poll(status, patient).toBe('COMPLETED');
      await workflow.purge(id);
      expect(await subject.status(id)).toBeUndefined();
    });

    it('answers 202 with the id, and describes the instance', async () => {
      const id = randomUUID();
      expect(await start('chain', id)).toEqual({ status: 202, body: { instanceID: id } });
      await subject.finish(id);
      const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      expect(await send('GET', id)).toEqual({
        status: 200,
        body: {
          instanceID: id,
          workflowName: 'chain',
          createdAt: time,
          lastUpdatedAt: time,
          runtimeStatus: 'COMPLETED',
          properties: { 'dapr.workflow.input': '1', 'dapr.workflow.output': '4' },
        },
      });
    });

    it('describes a failure', async () => {
      const id = randomUUID();
      await start('failing', id);
      await subject.finish(id);
      expect(await send('GET', id)).toMatchObject({
        status: 200,
        body: {
          runtimeStatus: 'FAILED',
          properties: { 'dapr.workflow.failure.error_message': expect.stringContaining('broken on purpose') },
        },
      });
    });

    it('answers 404 for an instance that it does not know', async () => {
      const id = randomUUID();
      expect(await send('GET', id)).toEqual(notFound(id));
    });

    it('answers 404 to the termination and purge of an instance that it does not know', async () => {
      const id = randomUUID();
      const slip = (words: string): Answer => {
        const { message } = notFound(id).body;
        return { status: 404, body: { ...notFound(id).body, message: `${message}%!(EXTRA *fmt.wrapError=${words})` } };
      };
      const seen = [await send('POST', `${id}/terminate`), await send('POST', `${id}/purge`)];
      expect(seen).toEqual(
        subject.differing('text-of-not-found', {
          embedded: [notFound(id), notFound(id)],
          daprd: [
            slip('failed to submit termination request:: no such instance exists'),
            slip('failed to purge workflow state: failed to fetch workflow state: no such instance exists'),
          ],
        }),
      );
    });

    it('answers 500 to other requests about an instance that it does not know', async () => {
      const id = randomUUID();
      for (const verb of ['raiseEvent/item', 'pause', 'resume']) {
        const { status, body } = await send('POST', `${id}/${verb}`, '{}');
        expect(status).toBe(500);
        expect(body).toMatchObject({ message: expect.stringContaining('no such instance exists') });
      }
    });

    it('answers 500 to the start of an instance that is active', async () => {
      const id = await subject.run('collect', 1);
      const { status, body } = await start('chain', id);
      expect({ status, body }).toEqual({
        status: 500,
        body: {
          errorCode: 'ERR_START_WORKFLOW',
          message: expect.stringContaining(`an active workflow with ID '${id}' already exists`),
        },
      });
    });

    it('answers 500 to the purge of an instance that is active', async () => {
      const id = await subject.run('collect', 1);
      expect(await send('POST', `${id}/purge`)).toMatchObject({
        status: 500,
        body: { errorCode: 'ERR_PURGE_WORKFLOW', message: expect.stringContaining('has not yet completed') },
      });
      expect(await subject.status(id)).toBe(RUNNING);
    });

    it('answers 400 to an id that is too long or has other characters', async () => {
      expect(await start('chain', 'x'.repeat(65))).toEqual({
        status: 400,
        body: {
          errorCode: 'ERR_INSTANCE_ID_TOO_LONG',
          message: 'workflow instance ID exceeds the max length of 64 characters',
        },
      });
      expect(await start('chain', 'a:b')).toMatchObject({
        status: 400,
        body: { errorCode: 'ERR_INSTANCE_ID_INVALID' },
      });
    });

    it('terminates children too', async () => {
      const id = await subject.run('parent-of', 'collect');
      await subject.client.waitForWorkflowStart(`${id}-child`);
      expect((await send('POST', `${id}/terminate`)).status).toBe(202);
      for (const each of [id, `${id}-child`]) {
        expect(await subject.finish(each)).toMatchObject({ status: TERMINATED });
      }
    });

    it('takes an event with any JSON', async () => {
      const id = await subject.run('collect', 1);
      expect((await send('POST', `${id}/raiseEvent/item`, '{"n":[1,"two"]}')).status).toBe(202);
      expect(await subject.finish(id)).toMatchObject({ output: [{ n: [1, 'two'] }] });
    });

    it('says that it is healthy', async () => {
      const { status } = await fetch(`${subject.engine.httpUrl}/v1.0/healthz`);
      expect(status).toBe(204);
    });
  });
});
