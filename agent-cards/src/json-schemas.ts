import { z } from 'zod';
import { skillSchemas } from './skill-schemas.ts';

/** A skill's schemas as a card publishes them. */
export interface SkillJsonSchemas {
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

/**
 * The JSON Schemas (2020-12) of the given skills: of what may be sent and of what will be received.
 * @throws TypeError when a skill has no schemas.
 */
export function toJsonSchemas(skillIds: readonly string[]): Record<string, SkillJsonSchemas> {
  return Object.fromEntries(
    skillIds.map((id) => {
      const schemas = new Map(Object.entries(skillSchemas)).get(id);
      if (!schemas) throw new TypeError(`no schemas for skill ${id}`);
      return [id, { input: toJsonSchema(schemas.input, 'input'), output: toJsonSchema(schemas.output, 'output') }];
    }),
  );
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  // The dialect is 2020-12 wherever a card speaks of schemas; the field would stop validators of older drafts.
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io });
  return json;
}
