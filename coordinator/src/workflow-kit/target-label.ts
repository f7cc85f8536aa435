import type { CallTarget } from './call-options.ts';

/** Who is called, for people. */
export const targetLabel = (target: CallTarget): string =>
  target.skill ?? ('agent' in target ? target.agent : 'url' in target ? target.url : 'an agent');
