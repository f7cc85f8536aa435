import { isDeepStrictEqual } from 'node:util';
import { TaskState } from '@a2a-js/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient, type AgentEvent } from '../../client/index.ts';
import { collect } from '../collect.ts';
import {
  type ContractPeer,
  formMessage,
  type PeerContract,
  settled,
  skillTimeoutMs,
  startPeer,
  wireError,
} from './contract-context.ts';

/** Streams begin with the task, count up, end terminal, resume without gap or repetition, and a cancel ends the work. */
export function describeStreams(contract: PeerContract, peer: () => ContractPeer): void {
  const [[firstSkill, firstSample] = ['', { valid: {}, invalid: {} }]] = Object.entries(contract.samples);
  const work = contract.slow ?? {
    skill: firstSkill,
    input: firstSample.valid,
    env: { MESH_SKILL_DELAY: '700' },
  };
  const fields = { skill: work.skill, input: work.input };

  describe(
    'streams',
    () => {
      let slow: ContractPeer;
      beforeAll(async () => {
        slow = await startPeer(contract, { env: work.env });
      });
      afterAll(async () => slow[Symbol.asyncDispose]());

      it.each(['JSONRPC', 'HTTP+JSON'])('begin with the task and end with its end, over %s', async (binding) => {
        const { card } = peer().client;
        const supportedInterfaces = card.supportedInterfaces.filter((each) => each.protocolBinding === binding);
        const client = await AgentClient.connect({ ...card, supportedInterfaces });
        const events = await collect(client.stream(fields));
        expect(events[0]?.response.payload?.$case).toBe('task');
        expect(stateOf(events.at(-1))).toBe(TaskState.TASK_STATE_COMPLETED);
        const generations = events.map(({ generation }) => generation ?? 0);
        expect(generations.every((each, index) => index === 0 || each > (generations[index - 1] ?? 0))).toBe(true);
        expect(generations[0]).toBeGreaterThan(0);
      });

      it('are event streams with the generation as id', async () => {
        const params = { message: formMessage(work.skill, work.input) };
        const { headers, text } = await peer().rpc('SendStreamingMessage', params);
        expect(headers['content-type']).toMatch(/^text\/event-stream/);
        const ids = [...text.matchAll(/^id: ?(\d+)$/gm)].map(([, id]) => Number(id));
        expect(ids.length).toBeGreaterThan(1);
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
        expect(text.match(/^data:/gm)).toHaveLength(ids.length);
      });

      it('resume behind any event without gap or repetition, for any number of watchers', async () => {
        const all: AgentEvent[] = [];
        const watchers: Promise<AgentEvent[]>[] = [];
        for await (const event of slow.client.stream(fields)) {
          all.push(event);
          const { payload } = event.response;
          if (isEnd(event) || !payload || payload.$case === 'message') continue;
          const taskId = payload.$case === 'task' ? payload.value.id : payload.value.taskId;
          watchers.push(collect(slow.client.subscribe(taskId, { after: event.generation ?? 0 })));
        }
        const rest = await Promise.all(watchers);
        expect(rest[0]).toEqual(all.slice(1));
        // A watcher that came too late for the stream gets the ended task instead: nothing is lost either way.
        const wrong = rest.filter(
          (events, index) =>
            !isDeepStrictEqual(events, all.slice(index + 1)) && !(events.length === 1 && isEnd(events[0])),
        );
        expect(wrong).toEqual([]);
      });

      it('show the current task first to whoever subscribes', async () => {
        const task = await slow.client.send(fields);
        const events = await collect(slow.client.subscribe(task.id));
        expect(events[0]?.response.payload?.$case).toBe('task');
        expect(stateOf(events.at(-1))).toBe(TaskState.TASK_STATE_COMPLETED);
      });

      it('are refused for a task that has ended', async () => {
        const task = await settled(
          peer().client,
          await peer().client.send({ skill: firstSkill, input: firstSample.valid }),
        );
        const response = await peer().rpc('SubscribeToTask', { id: task.id });
        expect(wireError(response)).toMatchObject({ code: -32004, reason: 'UNSUPPORTED_OPERATION' });
        const rest = await peer().rest(`/tasks/${task.id}:subscribe`, { method: 'POST' });
        expect(rest.status).toBe(400);
        expect(wireError(rest).reason).toBe('UNSUPPORTED_OPERATION');
      });

      it('end when the task is canceled, and a second cancel changes nothing', async () => {
        const task = await slow.client.send(fields);
        const watching = collect(slow.client.subscribe(task.id));
        await slow.client.cancel(task.id);
        expect(stateOf((await watching).at(-1))).toBe(TaskState.TASK_STATE_CANCELED);
        expect((await slow.client.get(task.id)).status?.state).toBe(TaskState.TASK_STATE_CANCELED);
        const canceled = await slow.client.get(task.id);
        expect(await slow.client.cancel(task.id)).toEqual(canceled);
      });

      it('do not disturb each other when one is left', async () => {
        const task = await slow.client.send(fields);
        for await (const _ of slow.client.subscribe(task.id)) break;
        expect((await settled(slow.client, task)).status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
      });
    },
    2 * skillTimeoutMs,
  );
}

function stateOf(event: AgentEvent | undefined): TaskState | undefined {
  const payload = event?.response.payload;
  return payload?.$case === 'task' || payload?.$case === 'statusUpdate' ? payload.value.status?.state : undefined;
}

const isEnd = (event: AgentEvent | undefined): boolean =>
  stateOf(event) === TaskState.TASK_STATE_COMPLETED || stateOf(event) === TaskState.TASK_STATE_CANCELED;
