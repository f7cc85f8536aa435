import { writeFileSync } from 'node:fs';
import { coordinatorCard } from './coordinator-card.ts';
import { workflows } from './workflows/index.ts';

/** Writes the coordinator's card from the registered workflows; run it after changing one, then format `agent-cards`. */
const file = new URL('../../agent-cards/cards/coordinator.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(coordinatorCard(workflows), null, 2)}\n`);
