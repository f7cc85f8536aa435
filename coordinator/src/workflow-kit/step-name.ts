import type { ActivityInput, ActivityName } from './activity-message.ts';
import { targetLabel } from './target-label.ts';

const longestText = 60;

/** What each activity does for the author of a workflow. */
const labels: { [N in ActivityName]: (input: ActivityInput<N>) => string } = {
  claim: () => 'the start of the run',
  send: ({ call: { target, attempt } }) => `call ${targetLabel(target)}${attempt > 1 ? ` (attempt ${attempt})` : ''}`,
  answerCall: ({ answer }) => `${answer.action} to a question of an agent`,
  abandon: () => 'giving up open calls',
  ask: ({ question }) => `ask "${shorten(question.prompt)}"`,
  withdraw: () => 'withdrawing open questions and waits',
  wait: ({ wait }) => `wait for ${wait.event}`,
  propose: ({ event }) => `the event ${event}`,
  progress: ({ message }) => `progress "${shorten(message)}"`,
  note: ({ entry }) => notes[entry.type],
  local: ({ name }) => `activity ${name}`,
  openChild: ({ child }) => `child ${child.workflow}@${child.version}`,
  childEnd: () => 'the end of a child',
  cancelChildren: () => 'canceling children',
  handedUndos: () => 'what undoes a child',
  putItems: () => 'the items of a map',
  nextItem: () => 'the next item of a map',
  itemOutcomes: () => 'the results of a map',
  finish: ({ end }) => `the end of the run (${end.status})`,
};

const notes: Record<ActivityInput<'note'>['entry']['type'], string> = {
  waiting: 'sleep',
  resumed: 'another try of a stalled run',
  'retry-scheduled': 'the wait before another attempt',
  'compensation-started': 'the beginning of the compensations',
  'compensation-completed': 'the end of the compensations',
};

/** What a step does, for people: `call extract-keywords`. */
export const stepName = <N extends ActivityName>(name: N, input: ActivityInput<N>): string => labels[name](input);

/** Where the step of a key stands: `3`, or `1/0/2` in a branch. */
export const placeOf = (key: string): string => key.split('.', 1)[0] ?? key;

const shorten = (text: string): string => (text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`);
