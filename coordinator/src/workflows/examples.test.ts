import { skillSchemas } from '@daca-mesh/agent-cards';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { chain } from './chain.ts';
import { fanOut } from './fan-out.ts';
import { resolveReferences } from './steps/references.ts';
import { planSteps } from './steps/step.ts';

/** What the steps of examples give, as their skills promise it. */
const outputs = new Map([
  [
    'keywords',
    skillSchemas['extract-keywords'].output.parse({ keywords: [{ term: 'workflows', score: 1 }], language: 'en' }),
  ],
]);
/** The skill of agents that are named alone. */
const skillOf: Readonly<Record<string, string>> = { writer: 'write' };

it.each([chain, fanOut])('the steps of the example of $name are what their skills take', ({ input }) => {
  for (const example of z.array(input).min(1).parse(z.globalRegistry.get(input)?.examples)) {
    for (const { agent = '', skill = skillOf[agent] ?? agent, input: given } of planSteps(example.steps)) {
      const schema = new Map(Object.entries(skillSchemas)).get(skill)?.input;
      expect(schema?.safeParse(resolveReferences(given, 'input', outputs)).error).toBeUndefined();
      expect(schema).toBeDefined();
    }
  }
});
