import { light as schemas } from '@daca-mesh/agent-cards';
import type { z } from 'zod';
import { dropUndefined } from './drop-undefined.ts';
import type { Kind } from './kind.ts';

type State = z.infer<typeof schemas.state>;

/** Lights. */
export const light: Kind<State, z.infer<typeof schemas.changes>> = {
  name: 'light',
  schemas,
  initial: { on: false, brightness: 100 },
  evolve: (state) => state,
  apply: (state, settings) => ({ ...state, ...dropUndefined(settings) }),
  touch: (state) => ({ ...state, on: !state.on }),
};
