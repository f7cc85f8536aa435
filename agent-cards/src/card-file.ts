import { readdirSync, readFileSync } from 'node:fs';
import { extensionUris, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';

/** The folder with one JSON card per agent. */
export const cardsFolder = new URL('../cards/', import.meta.url);

/** The names of all cards, which are also the names of their agents. */
export const cardNames: readonly string[] = readdirSync(cardsFolder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort();

const Extension = z.looseObject({
  uri: z.string().min(1),
  required: z.literal(false),
  params: z.looseObject({}).optional(),
});

/** Only some agents pass work on or ask a model; every agent speaks the rest. */
const everywhere = Object.values(extensionUris).filter(
  (uri) => uri !== extensionUris.chain && uri !== extensionUris.usage,
);

/** What a card of this mesh must have beyond being an A2A card. Unknown fields are left to the A2A codec. */
export const CardFile = z
  .looseObject({
    name: z.string().min(1),
    description: z.string().min(1),
    version: z.string().regex(/^\d+\.\d+\.\d+$/),
    provider: z.strictObject({ organization: z.string().min(1), url: z.url() }),
    capabilities: z.looseObject({ streaming: z.literal(true), extensions: z.array(Extension) }),
    defaultInputModes: z.array(z.string()).min(1),
    defaultOutputModes: z.array(z.string()).min(1),
    supportedInterfaces: z
      .array(
        z.strictObject({
          url: z.string().startsWith('{origin}/'),
          protocolBinding: z.string(),
          protocolVersion: z.literal('1.0'),
        }),
      )
      .min(1),
    skills: z
      .array(
        z.looseObject({
          id: z.string().regex(/^[a-z][a-z0-9-]*$/),
          name: z.string().min(1),
          description: z.string().min(1),
          tags: z.array(z.string()).min(1),
          examples: z.array(z.string()).min(1),
        }),
      )
      .min(1),
  })
  .check(({ value, issues }) => {
    const ids = value.skills.map((skill) => skill.id);
    const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
    if (repeated !== undefined) {
      issues.push({ code: 'custom', input: ids, path: ['skills'], message: `skill id ${repeated} appears twice` });
    }
    const uris = new Set(value.capabilities.extensions.map((extension) => extension.uri));
    for (const uri of everywhere.filter((uri) => !uris.has(uri))) {
      issues.push({
        code: 'custom',
        input: [...uris],
        path: ['capabilities', 'extensions'],
        message: `${uri} missing`,
      });
    }
  });
export type CardFile = z.infer<typeof CardFile>;

/**
 * Reads and checks a card file.
 * @throws MeshError `NOT_FOUND` when there is no such card, `INVALID_ARGUMENT` when it is not a good one.
 */
export function readCardFile(name: string): CardFile {
  if (!cardNames.includes(name)) {
    throw new MeshError('NOT_FOUND', `there is no card ${name}`, { details: { cards: cardNames } });
  }
  return parseCardFile(name, readFileSync(new URL(`${name}.json`, cardsFolder), 'utf8'));
}

/** Checks the text of a card file; throws as {@link readCardFile}. */
export function parseCardFile(name: string, text: string): CardFile {
  const result = CardFile.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new MeshError('INVALID_ARGUMENT', `card ${name}: ${z.prettifyError(result.error)}`);
}
