import { readFileSync } from 'node:fs';
import { loadCard } from '@daca-mesh/agent-cards';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { coordinatorCard } from './coordinator-card.ts';
import { workflows } from './workflows/index.ts';

describe("the coordinator's card", () => {
  it('is the file, made of the registered workflows (npm run generate --workspace coordinator)', () => {
    const file = readFileSync(new URL('../../agent-cards/cards/coordinator.json', import.meta.url), 'utf8');
    expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(coordinatorCard(workflows))));
  });

  it('is a good card with one skill a workflow', () => {
    expect(loadCard('coordinator').skills.map(({ id }) => id)).toEqual(workflows.map(({ name }) => name));
  });

  it.each(workflows)('cannot take an input of $name for the plain form {skill, input}', ({ input }) => {
    const { properties = {} } = z.toJSONSchema(input, { io: 'input' });
    expect(Object.keys(properties).sort()).not.toEqual(['input', 'skill']);
  });

  it('needs every workflow to show an input', () => {
    const silent = {
      name: 'silent',
      version: 1,
      title: 'Silent',
      description: 'x',
      input: z.string(),
      output: z.string(),
    };
    expect(() => coordinatorCard([silent])).toThrow(/examples/);
  });
});
