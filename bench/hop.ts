/**
 * One durable hop: a blocking SendMessage to a skill that does nothing, so what is measured is the kit itself: HTTP,
 * ledger, task, two commits, answer. The agent is a process of its own; the driver shares the machine with it.
 * `node bench/hop.ts [--json] [--profile]` (`--profile` writes CPU profiles of the agent)
 */
import { fork } from 'node:child_process';
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
    return await measure(() => hop(url, connections), { clients, seconds: 5, warmUpSeconds: 2 });
  } finally {
    connections.destroy();
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    await rm(folder, { recursive: true });
  }
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
