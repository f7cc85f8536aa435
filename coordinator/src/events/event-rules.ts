import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isKitEvent } from '../workflow-kit/contract.ts';
import { newestVersions } from '../workflow-kit/versions.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { JsonPointer } from './json-pointer.ts';

/**
 * What an event leads to is declared, not coded. The rules are looked at in their order, and the first one that matches
 * and finds what it needs takes the event: it starts a run, raises an event in one, or answers a question.
 */

const name = z.string().min(1).max(100);
const Scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** Where a value is taken from: the first pointer that finds one. They point into the event: `/subject`, `/data/id`. */
const Pointers = z.union([JsonPointer.transform((pointer) => [pointer]), z.array(JsonPointer).min(1).max(5)], {
  error: 'is neither a JSON Pointer such as /data/deviceId nor a list of them',
});

const When = z
  .strictObject({
    type: name,
    source: name.optional(),
    subject: name.optional(),
    data: z.record(JsonPointer, Scalar).optional().describe('Values the data must have, by JSON Pointer'),
  })
  .describe('All of it must hold');

const Start = z.strictObject({
  workflow: name,
  /** Any JSON; `{ "$": "/data/kind" }` in it stands for what is there in the event, or is left out with its key. */
  input: z.json(),
  /**
   * Pointers into the event: while a run is open that this rule started for the same values, or that anybody started
   * with them in the same places of its input, no other one is started.
   */
  oncePer: z.array(JsonPointer).min(1).max(5).optional(),
});

const Raise = z.strictObject({
  event: name.refine((event) => !isKitEvent(event), 'is a name of the coordinator itself'),
  /** The run by its id, or the newest open run of a workflow whose input, or whose open question's arguments, have these values. */
  run: z.union([
    z.strictObject({ id: Pointers }),
    z.strictObject({ workflow: name, input: z.record(JsonPointer, Pointers) }),
    z.strictObject({ workflow: name, asks: z.record(JsonPointer, Pointers) }),
  ]),
  /** Where the payload is (the data by default), or a template of it as in `start`. */
  payload: z
    .union([JsonPointer.transform((pointer) => ({ $: pointer })), z.record(z.string(), z.json())])
    .default({ $: '/data' }),
});

const AnswerRule = z.strictObject({ question: Pointers, answer: JsonPointer.default('/data') });

const Rule = z
  .strictObject({ name, when: When, start: Start.optional(), raise: Raise.optional(), answer: AnswerRule.optional() })
  .refine(
    ({ start, raise, answer }) => [start, raise, answer].filter((action) => action !== undefined).length === 1,
    'a rule has one of start, raise and answer',
  );
export type Rule = z.output<typeof Rule>;

const Rules = z.strictObject({
  $schema: z.string().optional(),
  rules: z
    .array(Rule)
    .max(1_000)
    .refine((rules) => new Set(rules.map((rule) => rule.name)).size === rules.length, 'two rules have the same name'),
});

const shipped = new URL('rules.json', import.meta.url);

/**
 * The rules of a file, or those that are shipped; of the shipped ones those whose workflow is there.
 * @throws TypeError that names the file and everything in it that is wrong.
 */
export function loadRules(path: string | undefined, workflows: readonly WorkflowDefinition[]): readonly Rule[] {
  const known = new Set(newestVersions(workflows).map((workflow) => workflow.name));
  const rules = parseRules(readFileSync(path ?? shipped, 'utf8'), path ?? 'rules.json');
  const isUsable = (rule: Rule): boolean => workflowsOf(rule).every((workflow) => known.has(workflow));
  if (path === undefined) return rules.filter(isUsable);
  const problems = rules
    .filter((rule) => !isUsable(rule))
    .map((rule) => `${rule.name}: there is no workflow ${workflowsOf(rule).join()}`);
  if (problems.length > 0) throw new TypeError(`the rules in ${path} are not valid\n  ${problems.join('\n  ')}`);
  return rules;
}

/** @throws TypeError */
function parseRules(text: string, path: string): readonly Rule[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`the rules in ${path} are not valid JSON`, { cause });
  }
  const parsed = Rules.safeParse(value);
  if (parsed.success) return parsed.data.rules;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new TypeError(`the rules in ${path} are not valid\n  ${problems.join('\n  ')}`);
}

function workflowsOf({ start, raise }: Rule): string[] {
  if (start) return [start.workflow];
  return raise && 'workflow' in raise.run ? [raise.run.workflow] : [];
}
