import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentCard } from '@a2a-js/sdk';
import { z } from 'zod';
import { type AgentConfig, parseAgentConfig, serverSettings } from '../agent-config.ts';
import { createAgentServer } from '../agent-server.ts';
import { runAgent } from '../run-agent.ts';
import { type SkillContext, skill } from '../skill.ts';

/** An agent to be killed: a process of its own whose effects are lines of a file. */

const schemas = { input: z.strictObject({ text: z.string() }), output: z.strictObject({ text: z.string() }) };
type Context = SkillContext<{ text: string }>;

function createSkills({ dataPath }: AgentConfig) {
  const effect = (what: string): void => appendFileSync(join(dataPath, 'effects.log'), `${what}\n`);
  const pay = (idempotent: boolean) => async (context: Context) => {
    const { task } = context;
    const key = task.idempotencyKey('pay');
    await task.once(
      'pay',
      async () => {
        effect(key);
        return key;
      },
      { idempotent },
    );
    return { text: 'paid' };
  };
  return {
    pay: skill(schemas, pay(false)),
    'pay-again': skill(schemas, pay(true)),
    ask: skill(schemas, async (context: Context) => {
      const { task, resumed } = context;
      if (!resumed) await task.ask({ prompt: 'May I?', actions: ['approve'] }, { state: 'kept' });
      effect('answered');
      return { text: String(resumed?.state) };
    }),
    'not-repeatable': skill(schemas, async () => ({ text: 'done' }), { repeatable: false }),
    deadly: skill(schemas, async () => {
      effect('attempt');
      process.kill(process.pid, 'SIGKILL');
      return { text: 'unreachable' };
    }),
  };
}

const environment = process.argv[2] ?? '{}';
// The test passes the environment as an argument, a JSON object of strings.
await runAgent(parseAgentConfig(JSON.parse(environment) as Record<string, string>), async (config, logger) => {
  const skills = createSkills(config);
  return createAgentServer({
    card: AgentCard.fromJSON({
      name: 'crash-agent',
      supportedInterfaces: [{ url: '', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      skills: Object.keys(skills).map((id) => ({ id, name: id })),
    }),
    skills,
    logger,
    ...serverSettings(config),
  });
});
