import type { CloudEvent } from '@daca-mesh/protocol/events';
import { first, type Unit } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { isOver, loadRun, rootOf } from '../runs/run-rows.ts';
import { query } from '../store/schema.ts';
import { newestVersions } from '../workflow-kit/versions.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import type { Rule } from './event-rules.ts';
import { eventQuery } from './event-tables.ts';
import { constantsIn, placeOf } from './fill-template.ts';
import { readPointer, toSqlitePath } from './json-pointer.ts';

/** The run an event is for. */
export function* findRun(wanted: NonNullable<Rule['raise']>['run'], event: CloudEvent): Unit<string | undefined> {
  if ('id' in wanted) return yield* findRunById(wanted.id, event);
  const keys = keysOf('input' in wanted ? wanted.input : wanted.asks, event);
  if (!keys) return undefined;
  return yield* 'input' in wanted ? findOpenRun(wanted.workflow, keys) : findAskingRun(wanted.workflow, keys);
}

function* findRunById(pointers: readonly string[], event: CloudEvent): Unit<string | undefined> {
  for (const pointer of pointers) {
    const id = readPointer(event, pointer);
    if (typeof id === 'string' && (yield* loadRun(id))) return id;
  }
  return undefined;
}

/** The values by which a run is found, by their paths for SQLite. */
type Keys = ReadonlyMap<string, string | number>;

function keysOf(places: Record<string, readonly string[]>, event: CloudEvent): Keys | undefined {
  const keys = new Map<string, string | number>();
  for (const [place, pointers] of Object.entries(places)) {
    const value = pointers.map((pointer) => readPointer(event, pointer)).find((found) => found !== undefined);
    if (!isKey(value)) return undefined;
    keys.set(toSqlitePath(place), value);
  }
  return keys;
}

/** The newest open run of a workflow whose input has these values. */
function* findOpenRun(workflow: string, keys: Keys): Unit<string | undefined> {
  const roots = openRuns(workflow, keys).where('root_run_id', 'is', null);
  return (yield* first(roots.limit(1).compile()))?.run_id;
}

function openRuns(workflow: string, keys: Keys) {
  let runs = query
    .selectFrom('runs')
    .select(['run_id', 'root_run_id'])
    .where('workflow', '=', workflow)
    .where('status', 'in', ['pending', 'running', 'stalled']);
  for (const [path, value] of keys) runs = runs.where(sql`json_extract(input, ${path})`, '=', value);
  return runs.orderBy('created_at', 'desc');
}

/** The run of a workflow that asked last, of those whose open question is about these values. */
function* findAskingRun(workflow: string, keys: Keys): Unit<string | undefined> {
  let asking = query
    .selectFrom('questions')
    .innerJoin('runs', 'runs.run_id', 'questions.run_id')
    .select('runs.run_id')
    .where('runs.workflow', '=', workflow)
    .where('questions.status', '=', 'open');
  for (const [path, value] of keys) asking = asking.where(sql`json_extract(questions.arguments, ${path})`, '=', value);
  return (yield* first(asking.orderBy('asked_at', 'desc').limit(1).compile()))?.run_id;
}

/** The open run that a rule started for the same values. */
export function* findStartedRun(rule: string, subject: string): Unit<string | undefined> {
  const known = yield* first(
    eventQuery
      .selectFrom('rule_runs')
      .select('run_id')
      .where('rule', '=', rule)
      .where('subject', '=', subject)
      .compile(),
  );
  const row = known && (yield* loadRun(known.run_id));
  return row && !isOver(row) ? row.run_id : undefined;
}

/** What a rule is about to start. */
interface Planned extends Pick<NonNullable<Rule['start']>, 'workflow' | 'input' | 'oncePer'> {
  /** The input, as the event fills it. */
  filled: unknown;
}

/**
 * An open run of the same workflow, whoever started it, that has the same values where the rule puts those of `oncePer`,
 * and the rule's own: the run at the top of its tree. None where the input does not hold them all.
 */
export function* findLikeRun(
  { workflows }: { workflows: readonly WorkflowDefinition[] },
  { workflow, input, oncePer = [], filled }: Planned,
): Unit<string | undefined> {
  // As it would be stored.
  const stored = newestVersions(workflows)
    .find(({ name }) => name === workflow)
    ?.input.safeParse(filled).data;
  const places = oncePer.map((pointer) => placeOf(input, pointer));
  if (places.length === 0) return undefined;
  const keys = new Map<string, string | number>();
  // What the rule itself says (the kind of a device) tells runs apart, too.
  for (const place of [...places, ...constantsIn(input)]) {
    const value = place === undefined ? undefined : readPointer(stored, place);
    if (place === undefined || !isKey(value)) return undefined;
    keys.set(toSqlitePath(place), value);
  }
  const like = yield* first(openRuns(workflow, keys).limit(1).compile());
  return like && rootOf(like);
}

/** Only these can be a key. */
const isKey = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number';
