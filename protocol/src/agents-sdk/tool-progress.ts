import type { RunStreamEvent } from '@openai/agents';
import type { TaskHandle } from '../server/skill.ts';
import { parseJson } from './parse-json.ts';

const maxDataLength = 2_000;
const secret = /token|secret|password|passphrase|authorization|api_?-?key|credential/iu;

/** Shows a tool call, its result or a hand-off as progress of the task; every other event is none. */
export async function showProgress(task: TaskHandle, event: RunStreamEvent): Promise<void> {
  if (event.type !== 'run_item_stream_event') return;
  const { item } = event;
  if (item.type === 'tool_call_item' && item.rawItem.type === 'function_call') {
    const { name, callId, arguments: given } = item.rawItem;
    await task.update(`calls ${name}`, { tool: name, callId, arguments: visible(given) });
  } else if (item.type === 'tool_call_output_item' && item.rawItem.type === 'function_call_result') {
    const { name, callId } = item.rawItem;
    await task.update(`${name} answered`, { tool: name, callId, result: visible(item.output) });
  } else if (item.type === 'handoff_output_item') {
    const handoff = { from: item.sourceAgent.name, to: item.targetAgent.name };
    await task.update(`${handoff.from} hands over to ${handoff.to}`, { handoff });
  }
}

/** A value as others may see it: without secrets, and cut where it is long. */
function visible(value: unknown): unknown {
  const masked = mask(parseJson(value));
  const text = JSON.stringify(masked) ?? 'null';
  return text.length <= maxDataLength ? masked : `${text.slice(0, maxDataLength)}…`;
}

const mask = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(mask);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, secret.test(name) ? '[hidden]' : mask(each)]),
  );
};
