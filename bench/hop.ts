/**
 * One durable hop: a blocking SendMessage to a skill that does nothing, so what is measured is the kit itself: HTTP,
 * ledger, task, two commits, answer. The agent is a process of its own; the driver shares the machine with it.
 * `cpuMs` is the agent's processor time per hop, which other work on the machine does not change.
 * `node bench/hop.ts [--json] [--profile]` (`--profile` writes CPU profiles of the agent)
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure, report } from './load.ts';

let sent = 0;
const isProfiled = process.argv.includes('--profile');
const rows: object[] = [];
for (const durability of ['full', 'normal']) {
  for (const clients of [1, 32]) rows.push({ durability, ...(await measureHop(durability, clients)) });
}
report('one durable hop', rows);

async function measureHop(durability: string, clients: number) {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-bench-'));
  const agent = fork(join(import.meta.dirname, 'hop/echo-agent.ts'), [join(folder, 'store.db'), durability], {
    execArgv: isProfiled ? ['--cpu-prof', `--cpu-prof-dir=${join(tmpdir(), 'mesh-profile')}`] : [],
  });
  const connections = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    // The agent sends its URL, a string, when it listens.
    const [url] = (await once(agent, 'message')) as [string];
    await measure(() => hop(url, connections), { clients, seconds: 2, warmUpSeconds: 0 });
    const before = await cpuMsOf(agent);
    const result = await measure(() => hop(url, connections), { clients, seconds: 5, warmUpSeconds: 0 });
    const cpuMs = ((await cpuMsOf(agent)) - before) / result.operations;
    return { ...result, cpuMs: Math.round(cpuMs * 1_000) / 1_000 };
  } finally {
    connections.destroy();
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    await rm(folder, { recursive: true });
  }
}

async function cpuMsOf(agent: ChildProcess): Promise<number> {
  agent.send('cpu');
  // The agent answers with its `process.cpuUsage()`, in microseconds.
  const [{ user, system }] = (await once(agent, 'message')) as [NodeJS.CpuUsage];
  return (user + system) / 1_000;
}

async function hop(url: string, agent: Agent): Promise<void> {
  sent += 1;
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: sent,
    method: 'SendMessage',
    params: {
      message: { messageId: `hop-${sent}`, role: 'ROLE_USER', parts: [{ data: { text: 'How do whales sleep?' } }] },
    },
  });
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'A2A-Version': '1.0',
  };
  const call = request(`${url}/a2a/jsonrpc`, { agent, method: 'POST', headers });
  const answered = once(call, 'response');
  call.end(body);
  // The event carries the response alone.
  const [response] = (await answered) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  if (!text.includes('TASK_STATE_COMPLETED')) throw new Error(`the hop did not complete: ${text}`);
}
