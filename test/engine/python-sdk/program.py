"""Workflows written with Dapr's SDK for Python, as its documentation shows them. Prints what came of each as JSON."""

import json
import time
from datetime import timedelta

import dapr.ext.workflow as wf
import grpc

runtime = wf.WorkflowRuntime()
attempts = {}


@runtime.activity
def increment(ctx, value):
    return value + 1


@runtime.activity
def flaky(ctx, value):
    attempts[value] = attempts.get(value, 0) + 1
    if attempts[value] < 3:
        raise RuntimeError('not yet')
    return value


@runtime.workflow
def parent(ctx: wf.DaprWorkflowContext, value: int):
    first = yield ctx.call_activity(increment, input=value)
    many = yield wf.when_all([ctx.call_activity(increment, input=n) for n in range(20)])
    below = yield ctx.call_child_workflow(child, input=first, instance_id=f'{ctx.instance_id}-child')
    decision = ctx.wait_for_external_event('decision')
    ctx.set_custom_status('waiting')
    winner = yield wf.when_any([decision, ctx.create_timer(timedelta(minutes=5))])
    return {'first': first, 'sum': sum(many), 'below': below, 'decision': winner == decision and decision.get_result()}


@runtime.workflow
def child(ctx: wf.DaprWorkflowContext, value: int):
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=50), max_number_of_attempts=5)
    result = yield ctx.call_activity(flaky, input=value, retry_policy=policy)
    return result * 10


@runtime.workflow
def generations(ctx: wf.DaprWorkflowContext, value: int):
    yield ctx.create_timer(timedelta(milliseconds=20))
    if value == 5:
        return value
    ctx.continue_as_new(value + 1, save_events=True)


@runtime.workflow
def waiting(ctx: wf.DaprWorkflowContext, value: int):
    yield ctx.wait_for_external_event('never')


@runtime.workflow
def failing(ctx: wf.DaprWorkflowContext, value: int):
    yield ctx.call_activity(increment, input='not a number')


def outcome(client, instance):
    state = client.wait_for_workflow_completion(instance, timeout_in_seconds=60)
    failure = state.failure_details and state.failure_details.message
    return [state.runtime_status.name, failure or json.loads(state.serialized_output or 'null')]


def is_waiting(client, instance):
    try:
        state = client.get_workflow_state(instance, fetch_payloads=True)
    except grpc.RpcError:
        # daprd 1.18.2 cannot read an instance while it stores it.
        return False
    return 'waiting' in (state.serialized_custom_status or '')


runtime.start()
runtime.wait_for_worker_ready(timeout=30)
client = wf.DaprWorkflowClient()
outcomes = {}

client.schedule_new_workflow(parent, input=1, instance_id='parent')
while not is_waiting(client, 'parent'):
    time.sleep(0.05)
client.pause_workflow('parent')
outcomes['paused'] = client.get_workflow_state('parent').runtime_status.name
client.raise_workflow_event('parent', 'decision', data={'approved': True})
client.resume_workflow('parent')
outcomes['parent'] = outcome(client, 'parent')

client.schedule_new_workflow(waiting, input=1, instance_id='terminated')
client.terminate_workflow('terminated', output='enough')
outcomes['terminated'] = outcome(client, 'terminated')
client.purge_workflow('terminated')
outcomes['purged'] = client.get_workflow_state('terminated') is None

client.schedule_new_workflow(generations, input=1, instance_id='generations')
outcomes['generations'] = outcome(client, 'generations')
client.schedule_new_workflow(failing, input=1, instance_id='failing')
outcomes['failing'] = outcome(client, 'failing')[0]

events = client.get_workflow_history('parent')
outcomes['historyHasActivities'] = len(events) > 40
outcomes['listed'] = {'parent', 'generations', 'failing'} <= set(client.iter_workflow_instance_ids())
client.schedule_new_workflow(child, input=7, instance_id='again')
outcome(client, 'again')
outcomes['rerun'] = outcome(client, client.rerun_workflow_from_event('again', 1))

print(json.dumps(outcomes), flush=True)
runtime.shutdown()
client.close()
