import { lock as schemas } from '@daca-mesh/agent-cards';
import type { z } from 'zod';
import { dropUndefined } from './drop-undefined.ts';
import type { Kind } from './kind.ts';

type State = z.infer<typeof schemas.state>;

/** Door locks. */
export const lock: Kind<State, z.infer<typeof schemas.changes>> = {
  name: 'lock',
  schemas,
  initial: { locked: true },
  evolve: (state) => state,
  apply: (state, settings) => ({ ...state, ...dropUndefined(settings) }),
  touch: ({ locked }) => ({ locked: !locked }),
};
