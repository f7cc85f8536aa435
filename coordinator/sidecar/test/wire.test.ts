import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
// The messages of @dapr/dapr 3.18, under their older names. It exports them to nobody else.
import sdk from '@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_pb.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  GetWorkItemsRequestSchema,
  TaskHubSidecarService,
  WorkflowResponseSchema,
  WorkflowStatus,
  WorkItemSchema,
} from '../src/gen/durable_task_pb.ts';
import { complete, decode, kinds, schedule, Wire } from './turns.ts';

describe('on the wire', () => {
  let wire: Wire;
  let id: string;

  beforeEach(async () => {
    wire = await Wire.open();
    id = randomUUID();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  it('old names and new names of messages are the same', async () => {
    const result = '"end"';
    const response = create(WorkflowResponseSchema, {
      instanceId: id,
      actions: [schedule(6), complete(7, result)],
      customStatus: 'busy',
    });
    const old = sdk.OrchestratorResponse.deserializeBinary(toBinary(WorkflowResponseSchema, response));
    expect(old.getCustomstatus()?.getValue()).toBe('busy');
    const [task, completion] = old.getActionsList();
    expect(task?.getScheduletask()?.getInput()?.getValue()).toBe('6');
    expect(completion?.getId()).toBe(7);
    expect(completion?.getCompleteorchestration()?.getResult()?.getValue()).toBe(result);
    expect(completion?.getCompleteorchestration()?.getOrchestrationstatus()).toBe(WorkflowStatus.COMPLETED);
    expect(fromBinary(WorkflowResponseSchema, old.serializeBinary())).toEqual(response);

    const started = wire.start(id);
    const { $typeName: _, token: _token, ...turn } = await wire.worker.nextTurn();
    const item = create(WorkItemSchema, { request: { case: 'workflowRequest', value: turn } });
    const request = sdk.WorkItem.deserializeBinary(toBinary(WorkItemSchema, item)).getOrchestratorrequest();
    expect(request?.getInstanceid()).toBe(id);
    expect(request?.getExecutionid()?.getValue()).toBe(turn.executionId);
    const events = request?.getNeweventsList() ?? [];
    expect(events.map((event) => event.getEventtypeCase())).toEqual([
      sdk.HistoryEvent.EventtypeCase.ORCHESTRATORSTARTED,
      sdk.HistoryEvent.EventtypeCase.EXECUTIONSTARTED,
    ]);
    expect(events[1]?.getExecutionstarted()?.getOrchestrationinstance()?.getInstanceid()).toBe(id);
    await wire.answer(id, []);
    await started;
  });

  it('fields that it does not know harm nobody', async () => {
    const capabilities = { no: 4, wireType: WireType.Varint, data: new Uint8Array([2]) };
    const request = create(GetWorkItemsRequestSchema);
    request.$unknown = [capabilities];
    wire.worker.disconnect();
    wire.worker = wire.client.worker(request);
    const started = wire.start(id);
    const { token } = await wire.worker.nextTurn();
    const numEventsProcessed = { no: 5, wireType: WireType.LengthDelimited, data: new Uint8Array([2, 8, 3]) };
    const answer = create(WorkflowResponseSchema, { instanceId: id, completionToken: token });
    answer.$unknown = [numEventsProcessed];
    await wire.client.call('completeWorkflowTask', answer);
    await started;
    expect(await wire.state(id)).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING });
  });

  it('a connect-node client gets on with it, stream and errors too', async () => {
    const transport = createGrpcTransport({ baseUrl: `http://${wire.sidecar.address}` });
    const client = createClient(TaskHubSidecarService, transport);
    wire.worker.disconnect();
    const abort = new AbortController();
    const items = client.getWorkItems({}, { signal: abort.signal })[Symbol.asyncIterator]();
    const next = async () => {
      const { value } = await items.next();
      return fromBinary(WorkItemSchema, toBinary(WorkItemSchema, value)).request;
    };
    const first = next();
    const started = client.startInstance({ instanceId: id, name: 'flow', input: '1' });
    const turn = await first;
    if (turn.case !== 'workflowRequest') throw new Error(`got ${turn.case}`);
    expect(kinds(turn.value.newEvents)).toEqual(['workflowStarted', 'executionStarted']);
    await client.completeWorkflowTask({ instanceId: id, actions: [schedule(1)] });
    expect(await started).toMatchObject({ instanceId: id });
    expect(await next()).toMatchObject({ case: 'activityRequest', value: { taskId: 1 } });
    await client.completeActivityTask({ instanceId: id, taskId: 1, result: '"r"' });
    const second = await next();
    if (second.case !== 'workflowRequest') throw new Error(`got ${second.case}`);
    expect(decode(second.value.newEvents).at(-1)?.event.value).toMatchObject({ result: '"r"' });
    await client.completeOrchestratorTask({ instanceId: id, actions: [complete(2, '"end"')] });
    const { workflowState } = await client.getInstance({ instanceId: id, getInputsAndOutputs: true });
    expect(workflowState).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED, output: '"end"' });
    await expect(client.raiseEvent({ instanceId: 'nobody', name: 'e' })).rejects.toMatchObject({
      code: 2,
      rawMessage: 'no such instance exists',
    });
    // Its side of a clean end: the iteration is over, and nothing is thrown.
    const end = items.next();
    await wire.sidecar.close();
    expect(await end).toMatchObject({ done: true });
    abort.abort();
  });
});
