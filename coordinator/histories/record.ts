import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { digest } from '@daca-mesh/protocol';
import { startSidecar } from '@daca-mesh/sidecar';
import { pino } from 'pino';
import { createEngine, type Engine } from '../src/engine/engine.ts';
import { messages } from '../src/engine/sdk.ts';
import type { RaisedEvent } from '../src/workflow-kit/contract.ts';
import { type RecordedRun, toRecordedRun } from '../src/workflow-kit/testing/recorded-run.ts';
import { ScriptedActivities } from '../src/workflow-kit/testing/scripted-activities.ts';
import { registeredName, type WorkflowDefinition } from '../src/workflow-kit/workflow.ts';
import { workflows } from '../src/workflows/index.ts';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { caseFile, isRecorded } from './files.ts';

/**
 * Records the histories that are missing: each case is run on the embedded engine, with the SDK's own worker, and agents
 * that follow a script. What was recorded is never recorded again: it is how runs look that were started by then.
 */

const patienceMs = 60_000;
const logger = pino({ level: 'silent' });

for (const definition of workflows) {
  const name = registeredName(definition);
  for (const [caseName, theCase] of Object.entries(cases[name] ?? {})) {
    if (isRecorded(name, caseName)) continue;
    const file = caseFile(name, caseName);
    const recorded = await record(definition, `${name}/${caseName}`, theCase);
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
    process.stdout.write(`${name}/${caseName}: ${recorded.turns.length} turns\n`);
  }
}

async function record(definition: WorkflowDefinition, label: string, theCase: Case): Promise<RecordedRun> {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  const path = join(folder, 'engine.db');
  // Of the form of a run's id, and the same each time.
  const runId = `0197a0c0-0000-7000-8000-${digest(label).slice(0, 12)}`;
  try {
    await execute(definition, theCase, runId, path);
    return toRecordedRun(registeredName(definition), runId, readHistory(path, runId));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function execute(definition: WorkflowDefinition, { input, script, steer }: Case, runId: string, path: string) {
  await using sidecar = await startSidecar({ path, durability: 'normal', maxUnackedPerStream: 5_000 });
  const activities: ScriptedActivities = new ScriptedActivities(script, (id, name, event) => {
    void raise(engine, id, name, event);
  });
  activities.input = input;
  await using engine = createEngine({ address: sidecar.address, workflows: [definition], activities, logger });
  await engine.start();
  await until(() => engine.ready());
  const { token } = activities;
  await engine.startInstance(runId, definition.name, definition.version, {
    $mesh: 1,
    runId,
    generation: 0,
    token,
    input,
    seen: { below: 1, above: [] },
    fresh: true,
  });
  await until(() => steer?.(activities, runId) ?? true);
  await until(async () => ['completed', 'failed'].includes(await engine.status(runId)));
}

/** As the outbox does it: again until the engine has it. */
async function raise(engine: Engine, runId: string, name: string, event: RaisedEvent): Promise<void> {
  await until(async () => (await engine.raise(runId, name, event)) === 'accepted');
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + patienceMs; !(await condition());) {
    if (Date.now() > end) throw new Error('it takes too long');
    await sleep(20);
  }
}

function readHistory(path: string, instanceId: string) {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = database
    .prepare('SELECT event FROM history WHERE run = (SELECT run FROM instances WHERE id = ?) ORDER BY seq')
    .all(instanceId);
  // The column of the query.
  return rows.map(({ event }) => messages.HistoryEvent.deserializeBinary(event as Uint8Array));
}
