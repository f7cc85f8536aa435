/**
 * Named moments at which a crash test kills the process. Nothing here kills: an owner who passes `killPoint` is told that
 * the moment has come, and everybody else pays one comparison with undefined.
 */

/** What a unit of work may do; one may do several. */
const steps = [
  'start',
  'raise',
  'suspend',
  'resume',
  'terminate',
  'purge',
  'timer-fire',
  'activity-result',
  'turn',
  'child-create',
  'child-finish',
  'continue-as-new',
] as const;

export type Step = (typeof steps)[number];

/**
 * `before-commit`: all is written, nothing is committed. `after-commit`: nobody was told yet. `dispatched`: the work item
 * was handed to the transport. `answered`: the answer was accepted and no unit of work was made of it yet.
 */
export type KillPoint =
  | `${Step}:${'before-commit' | 'after-commit'}`
  | `${'turn' | 'activity'}:${'dispatched' | 'answered'}`;

/** Every point there is, so that a test can find out which it never reached. */
export const killPoints: readonly KillPoint[] = [
  ...steps.flatMap((step) => [`${step}:before-commit` as const, `${step}:after-commit` as const]),
  'turn:dispatched',
  'turn:answered',
  'activity:dispatched',
  'activity:answered',
];

/** Told of every point that is reached, just then. */
export type KillPointListener = (point: KillPoint) => void;
