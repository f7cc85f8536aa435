import { pino } from 'pino';
import type { Envelope } from '../contract.ts';
import { Payloads } from '../payloads.ts';
import type { WorkflowDefinition } from '../workflow.ts';
import { ReplayEngine } from './replay-engine.ts';
import { type Raise, type Script, ScriptedActivities } from './scripted-activities.ts';

export const runId = '0197a0c0-0000-7000-8000-000000000001';

export interface StartedRun {
  engine: ReplayEngine;
  activities: ScriptedActivities;
}

/** Begins a run on the replaying engine. Nothing happens before `engine.settle()`. */
export function startRun(
  definition: WorkflowDefinition,
  input: unknown,
  script: Script = {},
  options: {
    raw?: boolean;
    fresh?: true;
    payloads?: Payloads;
    startedOver?: { activities: ScriptedActivities; token: string };
  } = {},
): StartedRun {
  const raise: Raise = (id, name, event) => engine.raise(name, event, id);
  const activities = options.startedOver?.activities ?? new ScriptedActivities(script, raise);
  if (options.startedOver) activities.startOver(options.startedOver.token, raise);
  activities.input = input;
  const logger = pino({ level: 'silent' });
  const engine = new ReplayEngine({
    definition,
    activities,
    instanceId: runId,
    logger,
    payloads: options.payloads ?? new Payloads(),
  });
  const { token } = activities;
  const { fresh } = options;
  const envelope: Envelope = {
    $mesh: 1,
    runId,
    generation: 0,
    token,
    input,
    seen: { below: 1, above: [] },
    ...(fresh ? { fresh } : {}),
  };
  // Dapr's own API gives an instance the bare input.
  engine.start(options.raw ? input : envelope);
  return { engine, activities };
}
