import { Agent, Runner, setTracingDisabled, tool } from '@openai/agents';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { OfflineModel } from './offline-model.ts';

setTracingDisabled(true);

interface Spec {
  instructions: string;
  tools?: Record<string, { description?: string; parameters: z.ZodObject; returns: (input: never) => unknown }>;
  output?: z.ZodObject;
  handoffs?: Agent[];
  parallelToolCalls?: boolean;
}

/** Runs an agent of the SDK on the offline model; tells the calls, turn by turn, and what it answered. */
async function runOffline(spec: Spec, input: unknown) {
  const turns: string[][] = [];
  const model = new OfflineModel();
  const counting = {
    getResponse: async (request: Parameters<OfflineModel['getResponse']>[0]) => {
      const response = await model.getResponse(request);
      const calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
      if (calls.length > 0) turns.push(calls.map((call) => `${call.name} ${call.arguments}`));
      return response;
    },
    getStreamedResponse: model.getStreamedResponse.bind(model),
  };
  const tools = Object.entries(spec.tools ?? {}).map(([name, { description = '', parameters, returns }]) =>
    tool({
      name,
      description,
      parameters,
      // The schema decides what the tool is called with.
      execute: async (given) => JSON.stringify(returns(given as never)),
    }),
  );
  const agent = new Agent({
    name: 'agent',
    instructions: spec.instructions,
    tools,
    ...(spec.handoffs && { handoffs: spec.handoffs }),
    ...(spec.output && { outputType: spec.output }),
    modelSettings: { ...(spec.parallelToolCalls !== undefined && { parallelToolCalls: spec.parallelToolCalls }) },
  });
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  const { finalOutput, lastAgent } = await new Runner({ model: counting }).run(agent, text, { maxTurns: 8 });
  // Told by the output type of the test.
  return { turns, output: finalOutput as unknown, agent: lastAgent?.name };
}

const Lamp = z.strictObject({ deviceId: z.string() });
const lampTools = (names = { inspect: 'inspect_lamp', repair: 'repair_lamp' }, health = 'failed', fault = 'stuck') => ({
  [names.inspect]: {
    parameters: Lamp,
    returns: ({ deviceId }: { deviceId: string }) => ({
      lamp: { id: deviceId, health, faults: health === 'ok' ? [] : [{ type: fault }] },
    }),
  },
  [names.repair]: {
    description: 'Repairs a lamp: restart it when it is offline, recalibrate it when it is stuck.',
    parameters: Lamp.extend({ action: z.enum(['restart', 'recalibrate']) }),
    returns: ({ action }: { action: string }) => ({ done: action }),
  },
});

describe('the offline model with tools', () => {
  it('calls them in the order of the instructions, with what earlier ones returned', async () => {
    const instructions = 'First use inspect_lamp. Then, if it has a fault, use repair_lamp.';
    const { turns, output } = await runOffline(
      { instructions, tools: lampTools(), output: z.strictObject({ done: z.string(), health: z.string() }) },
      { deviceId: 'l1' },
    );
    expect(turns).toEqual([
      ['inspect_lamp {"deviceId":"l1"}'],
      ['repair_lamp {"deviceId":"l1","action":"recalibrate"}'],
    ]);
    expect(output).toEqual({ done: 'recalibrate', health: 'failed' });
  });

  it('follows when tools, parameters and choices are called otherwise', async () => {
    const tools = lampTools({ inspect: 'zeta_look', repair: 'zeta_fix' }, 'failed', 'offline');
    const instructions = 'Begin with zeta_look. When the health is failed, use zeta_fix.';
    const { turns } = await runOffline({ instructions, tools }, { device_id: 'l2' });
    expect(turns).toEqual([['zeta_look {"deviceId":"l2"}'], ['zeta_fix {"deviceId":"l2","action":"restart"}']]);
  });

  it.each(['If it has a fault', 'If the health is not ok', 'Unless the health is ok'])(
    'leaves out a step whose condition does not hold: %s',
    async (condition) => {
      const instructions = `First use inspect_lamp. ${condition}, use repair_lamp.`;
      const { turns } = await runOffline({ instructions, tools: lampTools(undefined, 'ok') }, { deviceId: 'l1' });
      expect(turns).toEqual([['inspect_lamp {"deviceId":"l1"}']]);
    },
  );

  it('compares numbers', async () => {
    const tools = { alarm: { parameters: z.object({ celsius: z.number() }), returns: () => ({ raised: true }) } };
    const instructions = 'If the celsius is above 30, use alarm.';
    expect((await runOffline({ instructions, tools }, { celsius: 31 })).turns).toHaveLength(1);
    expect((await runOffline({ instructions, tools }, { celsius: 30 })).turns).toEqual([]);
  });

  it('calls a tool that is only described', async () => {
    const tools = {
      weather_report: { parameters: z.object({ city: z.string() }), returns: () => ({ sky: 'clear' }) },
      stock_price: { parameters: z.object({ symbol: z.string() }), returns: () => ({ price: 1 }) },
    };
    const described = await runOffline(
      { instructions: 'Get the weather report for the city.', tools },
      { city: 'Bonn' },
    );
    expect(described.turns).toEqual([['weather_report {"city":"Bonn"}']]);
    const left = await runOffline(
      { instructions: 'Use your tools to answer.', tools },
      'Weather in which city: Bonn?\nCity: Bonn',
    );
    expect(left.turns).toEqual([['weather_report {"city":"Bonn"}']]);
  });

  it('calls a tool that takes just what the input gives, and answers with what it returned', async () => {
    const parameters = z.object({ amount: z.number(), from: z.string() });
    const tools = { convert: { parameters, returns: () => ({ euros: 91.5 }) } };
    const { turns } = await runOffline({ instructions: 'Use your tools.', tools }, { amount: 100, from: 'USD' });
    expect(turns).toEqual([['convert {"amount":100,"from":"USD"}']]);
    const asked = await runOffline({ instructions: 'Use convert.', tools }, 'Convert an amount of 100 from USD.');
    expect(asked.output).toContain('91.5');
  });

  it('takes the alternative of a parameter that the input takes', async () => {
    const card = z.strictObject({ type: z.literal('card'), number: z.string() });
    const transfer = z.strictObject({ type: z.literal('transfer'), iban: z.string() });
    const parameters = z.strictObject({ by: z.discriminatedUnion('type', [card, transfer]) });
    const tools = { pay: { parameters, returns: () => ({ paid: true }) } };
    const by = { type: 'transfer', iban: 'DE12' };
    expect((await runOffline({ instructions: 'Use pay.', tools }, { by })).turns).toEqual([
      [`pay ${JSON.stringify({ by })}`],
    ]);
  });

  it('calls nothing it is told not to use, or whose arguments it does not know', async () => {
    const tools = lampTools();
    const never = 'Use inspect_lamp. Never use repair_lamp.';
    expect((await runOffline({ instructions: never, tools }, { deviceId: 'l1' })).turns).toHaveLength(1);
    expect((await runOffline({ instructions: 'Use inspect_lamp.', tools }, { room: 'hall' })).turns).toEqual([]);
  });

  it('calls tools of one step at once, once for each element of a list, and one by one where it must', async () => {
    const tools = {
      check: {
        parameters: z.object({ host: z.string() }),
        returns: ({ host }: { host: string }) => ({ up: host !== 'b' }),
      },
      note: { parameters: z.object({ topic: z.string() }), returns: () => ({ noted: true }) },
    };
    const input = { hosts: ['a', 'b', 'c'], topic: 'outage' };
    const instructions = 'Use note and check for each of the hosts.';
    const { turns } = await runOffline({ instructions, tools }, input);
    expect(turns).toEqual([
      ['check {"host":"a"}', 'check {"host":"b"}', 'check {"host":"c"}', 'note {"topic":"outage"}'],
    ]);
    const single = await runOffline({ instructions, tools, parallelToolCalls: false }, input);
    expect(single.turns).toEqual(turns[0]?.map((call) => [call]));
  });

  it('keeps what the user said where a tool has the name only within another value', async () => {
    const tools = {
      find_owner: {
        parameters: z.object({ item: z.string() }),
        returns: () => ({ owner: { name: 'Ann', email: 'ann@example.com' } }),
      },
    };
    const output = z.strictObject({ name: z.string(), email: z.string() });
    const input = { item: 'lamp', name: 'Bob' };
    const asked = await runOffline({ instructions: 'Use find_owner.', tools, output }, input);
    expect(asked.output).toEqual({ name: 'Bob', email: 'ann@example.com' });
  });

  it('does not repeat a call that failed, and says so', async () => {
    const tools = {
      look_up: {
        parameters: z.object({ id: z.string() }),
        returns: () => ({ error: { code: 'NOT_FOUND', message: 'no such id' } }),
      },
    };
    const { turns, output } = await runOffline({ instructions: 'Use look_up.', tools }, { id: 'x' });
    expect(turns).toHaveLength(1);
    expect(output).toContain('look_up failed: no such id.');
  });

  it('reads arguments off prose', async () => {
    const tools = {
      set_light: {
        parameters: z.object({ brightness: z.int(), room: z.string(), reason: z.string() }),
        returns: () => ({ ok: true }),
      },
    };
    const { turns } = await runOffline(
      { instructions: 'Do what the user wants with set_light.', tools },
      'Please set the brightness to 40. The room is kitchen.',
    );
    expect(turns[0]?.[0]).toMatch(/^set_light \{"brightness":40,"room":"kitchen","reason":"\S/);
  });
});

const specialists = () => [
  new Agent({
    name: 'Billing',
    handoffDescription: 'Invoices and payments',
    instructions: 'Answer in one sentence.',
  }),
  new Agent({ name: 'Hardware', handoffDescription: 'Broken devices', instructions: 'Answer in one sentence.' }),
];

describe('the offline model with hand-offs', () => {
  it('hands over to whom the instructions name', async () => {
    const instructions = 'Always hand over to Hardware.';
    expect((await runOffline({ instructions, handoffs: specialists() }, 'An invoice.')).agent).toBe('Hardware');
  });

  it('chooses by what the others are for', async () => {
    const instructions = 'Hand the request over to the right agent.';
    expect((await runOffline({ instructions, handoffs: specialists() }, 'My invoice is wrong')).agent).toBe('Billing');
    expect((await runOffline({ instructions, handoffs: specialists() }, 'My device broke')).agent).toBe('Hardware');
    expect((await runOffline({ instructions, handoffs: specialists() }, 'Hello')).agent).toBe('agent');
  });

  it('decides by conditions', async () => {
    const instructions = 'If the request is about money, hand over to Billing.';
    expect((await runOffline({ instructions, handoffs: specialists() }, 'Where is my money')).agent).toBe('Billing');
    expect((await runOffline({ instructions, handoffs: specialists() }, 'Where is my lamp')).agent).toBe('agent');
  });
});
