import { readFileSync, writeFileSync } from 'node:fs';
import { extensionUris } from '@daca-mesh/protocol';
import { type CardFile, cardNames, cardsFolder, parseCardFile } from './card-file.ts';
import { toJsonSchemas } from './json-schemas.ts';

/** Writes the skills' JSON Schemas into the cards. The coordinator's card is generated from its workflows instead. */
for (const name of cardNames.filter((card) => card !== 'coordinator')) {
  const file = new URL(`${name}.json`, cardsFolder);
  const text = readFileSync(file, 'utf8');
  parseCardFile(name, text);
  // The checked copy has its fields in another order; the file keeps the author's.
  const card: CardFile = JSON.parse(text);
  for (const extension of card.capabilities.extensions) {
    if (extension.uri === extensionUris.skill) {
      extension.params = { schemas: toJsonSchemas(card.skills.map((skill) => skill.id)) };
    }
  }
  writeFileSync(file, `${JSON.stringify(card, null, 2)}\n`);
}
