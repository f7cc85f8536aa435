import { setTimeout as sleep } from 'node:timers/promises';
import { compileSchema, extensionUris, isMeshError, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { CallRequest } from '../workflow-kit/contract.ts';
import type { Directory } from './directory.ts';
import type { Peer } from './peer.ts';

const skill = z.string().optional();
const Target = z.union([
  z.strictObject({ url: z.string(), skill }),
  z.strictObject({ agent: z.string(), skill }),
  z.strictObject({ skill: z.string() }),
]);
const CheckedSteps = z.object({
  steps: z.array(
    z.object({
      id: z.string(),
      target: Target,
      /** Absent where it is not known before other steps have ended. */
      input: z.unknown().optional(),
      undo: Target.optional(),
    }),
  ),
});

interface Issue {
  path: string;
  message: string;
}

/** How long an agent that is new to the coordinator may take to show its card. */
const patienceMs = 5_000;
const maxIssues = 20;

/**
 * Checks steps given as data against the agents there are: whether each can be called, and takes its input. An agent that
 * does not answer now is no reason to refuse: its step waits for it, as any call does.
 * @throws MeshError `INVALID_ARGUMENT` with an issue for each step that cannot be made.
 */
export async function checkSteps(directory: Directory, given: unknown): Promise<Record<string, never>> {
  const { steps } = CheckedSteps.parse(given);
  const checks = steps.flatMap(({ id, target, input, undo }) => {
    const own = checkTarget(directory, target, input, `steps.${id}`);
    return undo ? [own, checkTarget(directory, undo, undefined, `steps.${id}.undo`)] : [own];
  });
  const issues = (await Promise.all(checks)).flat().slice(0, maxIssues);
  if (issues.length === 0) return {};
  const text = issues.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw new MeshError('INVALID_ARGUMENT', `nothing was sent: ${text}`, { details: { issues } });
}

async function checkTarget(
  directory: Directory,
  target: z.infer<typeof Target>,
  input: unknown,
  path: string,
): Promise<Issue[]> {
  try {
    // Optional fields that are absent are absent: it came as JSON.
    const peer = await find(directory, target as CallRequest['target']);
    // A schema is code to be compiled, so it is taken from the agents of the mesh only.
    if (!peer || 'url' in target || input === undefined) return [];
    return checkInput(peer, target.skill, input).map(({ path: at, message }) => ({
      path: `${path}.input${at}`,
      message,
    }));
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return [{ path, message: error.message }];
  }
}

async function find(directory: Directory, target: CallRequest['target']): Promise<Peer | undefined> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const peer = directory.choose(target);
    if (peer || !('url' in target) || Date.now() > deadline) return peer;
    await sleep(50);
  }
}

const Schemas = z.object({ schemas: z.record(z.string(), z.object({ input: z.record(z.string(), z.unknown()) })) });

function checkInput(peer: Peer, skillId: string | undefined, input: unknown): Issue[] {
  const { skills, capabilities } = peer.client.card;
  const extension = capabilities?.extensions.find(({ uri }) => uri === extensionUris.skill);
  const published = new Map(Object.entries(Schemas.safeParse(extension?.params).data?.schemas ?? {}));
  const ids = skillId === undefined ? skills.map(({ id }) => id) : [skillId];
  const schemas = ids.map((id) => published.get(id)?.input).filter((schema) => schema !== undefined);
  const [schema, ...others] = schemas;
  // One that publishes nothing may take anything.
  if (!schema || schemas.length < ids.length) return [];
  if (others.length > 0) {
    // The agent chooses: the skill that the input names, else the one it fits.
    if (namesSkill(input) || schemas.some((each) => compileSchema(each)(input))) return [];
    return [{ path: '', message: `no skill of ${peer.name} takes it; name the skill` }];
  }
  const validate = compileSchema(schema);
  if (validate(input)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => ({
    path: instancePath.replaceAll('/', '.'),
    message: `${message ?? 'does not fit'}${unknownKey(params)}`,
  }));
}

const namesSkill = (input: unknown): boolean => typeof input === 'object' && input !== null && 'skill' in input;

const unknownKey = (params: Record<string, unknown>): string =>
  typeof params['additionalProperty'] === 'string' ? `: ${params['additionalProperty']}` : '';
