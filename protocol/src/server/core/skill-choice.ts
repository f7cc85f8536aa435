import type { AgentCard, Message, SendMessageRequest } from '@a2a-js/sdk';
import type { z } from 'zod';
import { extensionData, extensionUris } from '../../extensions.ts';
import { MeshError } from '../../mesh-error.ts';
import { dataOf, textOf } from '../../parts.ts';
import type { Skill } from '../skill.ts';

/** The skill a message starts, and its checked input. */
export interface SkillChoice {
  readonly skillId: string;
  readonly skill: Skill;
  readonly input: unknown;
}

/** Chooses skills by message for one agent. A2A 1.0 has no field for it, hence the steps below, the first that applies. */
export interface SkillChooser {
  /** @throws MeshError `SKILL_NOT_FOUND`, `SKILL_REQUIRED`, or `INVALID_ARGUMENT` with the path of what does not fit. */
  choose(message: Message): SkillChoice;
  /** Reads a stored message again for the skill that was chosen before. */
  read(message: Message, skillId: string): SkillChoice;
}

/** The skill id named by extension metadata, or an empty string. */
export function namedSkill(message: Message): string {
  const id = extensionData(message.metadata, extensionUris.skill)?.['id'];
  return typeof id === 'string' ? id : '';
}

/** Extension data may also stand on the request; it is moved to the message, which is what is stored. */
export function withRequestMetadata(request: SendMessageRequest): Message | undefined {
  const { message, metadata } = request;
  if (!message || !metadata) return message;
  const known = [extensionUris.skill, extensionUris.idempotency, extensionUris.linger, extensionUris.chain];
  const moved = Object.entries(metadata).filter(([uri]) => known.some((each) => each === uri));
  return moved.length === 0 ? message : { ...message, metadata: { ...Object.fromEntries(moved), ...message.metadata } };
}

/** @param skills In the order of the card. */
export function createSkillChooser(card: AgentCard, skills: Readonly<Record<string, Skill>>): SkillChooser {
  const candidates = card.skills.map(({ id }) => id).filter((id) => Object.hasOwn(skills, id));

  const find = (id: string): Skill => {
    const found = Object.hasOwn(skills, id) ? skills[id] : undefined;
    if (found) return found;
    throw new MeshError('SKILL_NOT_FOUND', `this agent has no skill "${id.slice(0, 100)}"`, {
      details: { candidates },
    });
  };
  const parse = (skillId: string, input: unknown): SkillChoice => {
    const found = find(skillId);
    const parsed = found.input.safeParse(input);
    if (parsed.success) return { skillId, skill: found, input: parsed.data };
    throw schemaError(parsed.error, { skill: skillId });
  };
  const accepting = (input: unknown): SkillChoice[] =>
    candidates.flatMap((skillId) => {
      const found = find(skillId);
      const parsed = found.input.safeParse(input);
      return parsed.success ? [{ skillId, skill: found, input: parsed.data }] : [];
    });
  const required = (why: string): MeshError =>
    new MeshError('SKILL_REQUIRED', `${why}; name the skill in a data part { "skill": "<id>", "input": { … } }`, {
      details: { candidates, form: { skill: '<id>', input: {} } },
    });

  const choose = (message: Message): SkillChoice => {
    const content = contentOf(message);
    const named = namedSkill(message);
    if (named !== '') return parse(named, content.form?.skill === named ? content.form.input : content.bare);
    if (content.form) return parse(content.form.skill, content.form.input);
    const [only, ...others] = candidates;
    if (only === undefined) throw required('this agent has no skills');
    if (others.length === 0) return parse(only, content.bare);
    if (content.isText) {
      const asText = find(only).input.safeParse(content.bare);
      if (asText.success) return { skillId: only, skill: find(only), input: asText.data };
      throw required(`the skill "${only}" does not take plain text`);
    }
    const [match, ...ambiguous] = accepting(content.bare);
    if (match && ambiguous.length === 0) return match;
    throw required(match ? 'several skills accept this input' : 'no skill accepts this input');
  };

  const read = (message: Message, skillId: string): SkillChoice => {
    const content = contentOf(message);
    return parse(skillId, content.form?.skill === skillId ? content.form.input : content.bare);
  };
  return { choose, read };
}

interface Content {
  /** `{ skill, input }`, where the data part has exactly these keys. */
  form: { skill: string; input: unknown } | undefined;
  /** The data part as it is, else the text as `{ text }`. */
  bare: unknown;
  isText: boolean;
}

function contentOf(message: Message): Content {
  const [data, ...more] = dataOf(message.parts);
  if (more.length > 0) {
    throw new MeshError('INVALID_ARGUMENT', 'a message to a skill has one data part', { details: { path: 'parts' } });
  }
  if (data === undefined) return { form: undefined, bare: { text: textOf(message.parts) }, isText: true };
  return { form: formOf(data), bare: data, isText: false };
}

function formOf(data: unknown): Content['form'] {
  if (typeof data !== 'object' || data === null || Object.keys(data).length !== 2) return undefined;
  if (!('skill' in data) || !('input' in data) || typeof data.skill !== 'string') return undefined;
  return { skill: data.skill, input: data.input };
}

/** A schema error with the path of each problem, in the message too: it is what people see first. */
function schemaError(error: z.ZodError, details: Record<string, unknown>): MeshError {
  const violations = error.issues.slice(0, 20).map((issue) => ({ path: toPath(issue.path), message: issue.message }));
  const summary = violations.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return new MeshError('INVALID_ARGUMENT', summary, { details: { ...details, path: violations[0]?.path, violations } });
}

const toPath = (path: readonly PropertyKey[]): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('');
