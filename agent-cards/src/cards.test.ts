import { existsSync, readdirSync } from 'node:fs';
import { AgentCard } from '@a2a-js/sdk';
import { extensionUris } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { cardNames, parseCardFile, readCardFile } from './card-file.ts';
import { toJsonSchemas } from './json-schemas.ts';
import { loadCard } from './load-card.ts';
import { meshComposition } from './mesh-composition.ts';
import { skillSchemas } from './skill-schemas.ts';

const workspace = new URL('../../', import.meta.url);
const schemasOf = (skillId: string) => new Map(Object.entries(skillSchemas)).get(skillId);
// The coordinator's skills are workflows: their schemas live with them and its card is generated there.
const peerCards = cardNames.filter((name) => name !== 'coordinator');

describe.each(peerCards)('card %s', (name) => {
  const file = readCardFile(name);

  it('is named after its file', () => {
    expect(file.name).toBe(name);
  });

  it('publishes exactly the schemas its skills are checked by', () => {
    const extension = file.capabilities.extensions.find(({ uri }) => uri === extensionUris.skill);
    expect(extension?.params).toEqual({ schemas: toJsonSchemas(file.skills.map((skill) => skill.id)) });
  });

  it('shows every skill of several in plain A2A form, with inputs the skill accepts', () => {
    const shown = file.skills.flatMap((skill) =>
      skill.examples
        .filter((example) => example.startsWith('{'))
        .map((example) => ({ id: skill.id, example: JSON.parse(example) })),
    );
    const ambiguous = file.skills.length > 1 ? file.skills.map((skill) => skill.id) : [];
    expect(shown.map(({ id }) => id)).toEqual(expect.arrayContaining(ambiguous));
    for (const { id, example } of shown) {
      expect(Object.keys(example)).toEqual(['skill', 'input']);
      expect(example.skill).toBe(id);
      expect(schemasOf(id)?.input.safeParse(example.input).error).toBeUndefined();
    }
  });

  it('survives the A2A codec without losing anything', () => {
    const card = loadCard(name, { url: 'https://agents.example.org' });
    expect(AgentCard.fromJSON(JSON.parse(JSON.stringify(AgentCard.toJSON(card))))).toEqual(card);
  });

  it('has a member of the mesh that serves it from a package that exists', () => {
    const members = meshComposition.filter((member) => member.card === name);
    expect(members).not.toHaveLength(0);
    for (const member of members) expect(existsSync(new URL(`${member.package}/package.json`, workspace))).toBe(true);
  });
});

describe('the mesh', () => {
  it('has a card for each member', () => {
    const members = meshComposition.filter((member) => member.package.startsWith('peers/'));
    expect(members.length).toBeGreaterThanOrEqual(7);
    for (const member of members) expect(cardNames).toContain(member.card);
  });

  it('runs every peer package', () => {
    const packages = readdirSync(new URL('peers/', workspace)).map((folder) => `peers/${folder}`);
    expect([...new Set(meshComposition.map((member) => member.package))]).toEqual(expect.arrayContaining(packages));
  });

  it('names each member once', () => {
    const names = meshComposition.map((member) => member.name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('skill schemas', () => {
  it.each(Object.entries(skillSchemas))('%s cannot be mistaken for the plain form {skill, input}', (_id, schemas) => {
    expect(Object.keys(schemas.input.shape).sort()).not.toEqual(['input', 'skill']);
  });

  it.each(Object.entries(skillSchemas))('%s refuses fields it does not know', (_id, schemas) => {
    const issues = schemas.input.safeParse({ surprise: true }).error?.issues ?? [];
    expect(issues.map((issue) => issue.code)).toContain('unrecognized_keys');
  });

  it('are all on a card', () => {
    const offered = peerCards.flatMap((name) => readCardFile(name).skills.map((skill) => skill.id));
    expect(offered.sort()).toEqual(Object.keys(skillSchemas).sort());
  });
});

describe('loadCard', () => {
  it('fills in the origin and leaves a trailing slash out', () => {
    expect(loadCard('writer', { url: 'https://a.example/' }).supportedInterfaces.map(({ url }) => url)).toEqual([
      'https://a.example/a2a/jsonrpc',
      'https://a.example/a2a/rest',
    ]);
  });

  it('gives every caller a card of its own', () => {
    loadCard('writer').skills.pop();
    expect(loadCard('writer').skills).toHaveLength(1);
  });

  it('names the cards there are when asked for another', () => {
    expect(() => loadCard('nobody')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });
});

describe('parseCardFile', () => {
  const good = readCardFile('records');
  const [first] = good.skills;

  it.each([
    ['a skill id twice', { skills: [first, first] }, /skill id save-post appears twice/],
    ['no skills', { skills: [] }, /skills/],
    ['a version that is none', { version: 'one' }, /version/],
    ['a fixed address', { supportedInterfaces: [{ ...good.supportedInterfaces[0], url: 'http://x/y' }] }, /origin/],
    ['a required extension', { capabilities: { streaming: true, extensions: [{ uri: 'x', required: true }] } }, /req/],
    ['missing extensions', { capabilities: { streaming: true, extensions: [] } }, /urn:daca-mesh:ext:skill:v1 missing/],
  ])('refuses a card with %s', (_what, change, message) => {
    expect(() => parseCardFile('records', JSON.stringify({ ...good, ...change }))).toThrow(message);
  });
});
