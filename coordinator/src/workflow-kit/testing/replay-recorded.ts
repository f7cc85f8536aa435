import { digest } from '@daca-mesh/protocol';
import { pino } from 'pino';
import type { ActivityMessage } from '../activity-message.ts';
import { describeMismatch, type NamedStep } from '../non-determinism.ts';
import { placeOf } from '../step-name.ts';
import { registeredName, type WorkflowDefinition } from '../workflow.ts';
import { executeTurn } from './execute-turn.ts';
import { historyUntil, type RecordedAction, type RecordedRun, toRecordedAction } from './recorded-run.ts';

const logger = pino({ level: 'silent' });

/**
 * Replays a recorded run with the present code, turn by turn, and compares what each asks for with what was recorded.
 * @throws Error that names the step, where a run that was started before the code was changed could not go on.
 */
export async function replayRecorded(definition: WorkflowDefinition, recorded: RecordedRun): Promise<void> {
  if (registeredName(definition) !== recorded.workflow) {
    throw new TypeError(`a run of ${recorded.workflow} cannot be replayed with ${registeredName(definition)}`);
  }
  for (const [index, turn] of recorded.turns.entries()) {
    const [past, fresh] = historyUntil(recorded, index);
    const { actions, stall } = await executeTurn(definition, recorded.instanceId, [past, fresh], { logger });
    const change = stall?.message ?? firstChange(turn.actions, actions.map(toRecordedAction));
    if (change !== undefined)
      throw new Error(`${recorded.workflow} does not fit its recorded runs: ${change}. ${advice(definition)}`);
  }
}

const advice = ({ name, version }: WorkflowDefinition): string =>
  `A run that was started with the code of before would stall: give the changed code version ${version + 1}, and keep ` +
  `${name}@${version} as it was, registered beside it, until its runs have ended.`;

function firstChange(recorded: readonly RecordedAction[], made: readonly RecordedAction[]): string | undefined {
  for (let index = 0; index < Math.max(recorded.length, made.length); index++) {
    const [before, now] = [recorded[index], made[index]];
    if (before && now && digest(withoutNames(before)) === digest(withoutNames(now))) continue;
    if (before) return describeMismatch(stepOf(before), now && stepOf(now));
    if (now) return `the code now makes step ${stepOf(now).place}, ${stepOf(now).what}, which was not made before`;
  }
  return undefined;
}

/** How a step is called for people may be said in other words. */
function withoutNames(action: RecordedAction): RecordedAction {
  if (action.action !== 'activity') return action;
  // The kit sends every activity a message.
  const { what: _, ...input } = action.input as ActivityMessage;
  return { ...action, input };
}

function stepOf(action: RecordedAction): NamedStep {
  const place = `#${action.id}`;
  switch (action.action) {
    case 'activity': {
      // The kit sends every activity a message.
      const { key, what } = action.input as ActivityMessage;
      return { place: placeOf(key), what };
    }
    case 'timer':
      return { place, what: 'a timer' };
    case 'child':
      return { place, what: `child ${action.name}` };
    case 'complete':
    case 'fail':
      return { place, what: 'the end of the run' };
    default:
      return action satisfies never;
  }
}
