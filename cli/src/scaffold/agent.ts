import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';
import { reservedNames } from '../supervisor/composition.ts';
import { ChangeSet, insertSorted, readTemplate } from './change-set.ts';
import { refuseTaken, toVariableName } from './names.ts';

/** A new agent: its name, and the id of its skill. */
export interface NewAgent {
  name: string;
  skill: string;
}

const coordinatorPort = 4_100;

/** What makes a new agent of the mesh: package, card, schemas and place in the local mesh. */
export function planAgent(root: string, { name, skill }: NewAgent): ChangeSet {
  const skillName = toVariableName(skill);
  // The composition and the card below are written by this repository's own schemas.
  const members = JSON.parse(new ChangeSet(root, {}).read('agent-cards/mesh.json')) as { name: string }[];
  const port = String(coordinatorPort + members.length);
  const plan = new ChangeSet(root, { name, skill, skillName, port });
  const folder = `peers/${name}`;
  plan.cover(folder);
  for (const file of [
    'README.md',
    'package.json',
    'src/config.ts',
    'src/logger.ts',
    'src/main.ts',
    'src/server.ts',
    'test/contract.test.ts',
  ]) {
    plan.create(`${folder}/${file}`, `agent/${file}`);
  }
  plan.create(`${folder}/src/skills/${skill}.ts`, 'agent/src/skills/skill.ts');
  plan.create(`agent-cards/src/skills/${skill}.ts`, 'agent/schemas.ts');
  plan.put(`agent-cards/cards/${name}.json`, cardOf(plan, { name, skill }));
  refuseReserved(root, plan, name);
  const surroundings = ['agent-cards/src/index.ts', 'agent-cards/src/skill-schemas.ts'].map((path) => plan.read(path));
  const templates = ['agent/schemas.ts', 'agent/src/server.ts', 'agent/src/skills/skill.ts'];
  refuseTaken(skillName, ...surroundings, ...templates.map((template) => readTemplate(template)));
  const schemaImport = `import { ${skillName} } from './skills/${skill}.ts';`;
  const schemaKey = skillName === skill ? `  ${skill},` : `  '${skill}': ${skillName},`;
  plan.edit('agent-cards/src/index.ts', (text) =>
    insertSorted(text, `export { ${skillName} } from './skills/${skill}.ts';`, /^export \{ \w+ \} from '\.\/skills\//),
  );
  plan.edit('agent-cards/src/skill-schemas.ts', (text) =>
    insertSorted(
      insertSorted(text, schemaImport, /^import \{ \w+ \} from '\.\/skills\//),
      schemaKey,
      /^ {2}(?:'[\w-]+': )?\w+,$/,
    ),
  );
  plan.edit('agent-cards/mesh.json', (text) =>
    text.replace(/\n\]\s*$/, `,\n  { "name": "${name}", "package": "${folder}", "card": "${name}", "env": {} }\n]\n`),
  );
  plan.edit('compose.yaml', (text) => addService(text, { name, port, service: plan.fill('agent/compose-service') }));
  // It follows when the package is installed.
  plan.cover('pnpm-lock.yaml');
  return plan;
}

/** Refuses what is the name of another process, container or package. */
function refuseReserved(root: string, plan: ChangeSet, name: string): void {
  const isTaken =
    reservedNames.has(name) ||
    ['', 'coordinator'].some((folder) => existsSync(join(root, folder, name, 'package.json'))) ||
    new RegExp(`^ {2}${name}:$`, 'm').test(plan.read('compose.yaml'));
  if (isTaken) throw new MeshError('FORBIDDEN', `"${name}" is there already: as a process, a container or a package`);
}

/** Adds a service beside the others, its address to those the coordinator calls, and its volume. */
const addService = (
  compose: string,
  { name, port, service }: { name: string; port: string; service: string },
): string =>
  compose
    .replace(/( {8}http:\/\/\S+\n)(?! {8}http)/, `$1        http://${name}:${port}\n`)
    .replace(/\n {2}nats:\n {4}image:/, (nats) => `${service.trimEnd()}\n${nats}`)
    .replace(/\n {2}nats:\n {2}daprd:/, (nats) => `\n  ${name}:${nats}`);

/** A card with everything that is the same for every agent; the schemas of its skill are generated into it. */
function cardOf(plan: ChangeSet, { name, skill }: NewAgent): string {
  // As this repository wrote it.
  const model = JSON.parse(plan.read('agent-cards/cards/keyword-extractor.json')) as Record<string, unknown>;
  const card = {
    ...model,
    name,
    description: 'Counts the words of a text.',
    version: '0.1.0',
    skills: [
      {
        id: skill,
        name: 'Count words',
        description: 'Counts the words of a text.',
        tags: ['text'],
        examples: ['Agents call agents.'],
      },
    ],
  };
  return `${JSON.stringify(card, null, 2)}\n`;
}
