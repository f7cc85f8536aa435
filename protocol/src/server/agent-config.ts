import { resolve } from 'node:path';
import { z } from 'zod';
import { type Principal, tokenDigest } from '../principal.ts';
import type { AgentServerOptions } from './agent-server.ts';
import { PrincipalsFile } from './read-principals.ts';
import type { SkillDelays } from './skill.ts';

const parseSkillDelays = (text: string | undefined): SkillDelays =>
  Object.fromEntries(
    (text?.split(',') ?? []).map((item) => {
      const [skillOrMs = '', ms] = item.split('=');
      return ms === undefined ? ['*', Number(skillOrMs)] : [skillOrMs, Number(ms)];
    }),
  );

/** Whether a client can make a server and credentials of it. What it says itself would show the password. */
function isServerUrl(text: string): boolean {
  try {
    const { host, username, password } = new URL(text);
    // Throws where a % stands for itself.
    decodeURIComponent(username + password);
    return host !== '';
  } catch {
    return false;
  }
}

/** The environment every agent understands; extend it with an agent's own variables. */
export const agentEnvironment = z.object({
  MESH_HOST: z.string().min(1).default('127.0.0.1'),
  MESH_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** The folder of this agent's data. */
  MESH_DATA: z.string().min(1).default('.mesh'),
  MESH_PUBLIC_URL: z.url({ protocol: /^https?$/u }).optional(),
  MESH_TOKEN: z.string().optional(),
  /** A JSON file with those who have a token of their own: `[{ name, tokenSha256, roles }]`. */
  MESH_PRINCIPALS: PrincipalsFile.optional(),
  MESH_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  MESH_DURABILITY: z.enum(['full', 'normal']).default('full'),
  /** Which card to serve, for packages with several. */
  MESH_CARD: z.string().optional(),
  /** By how many milliseconds skills are slowed down, for tests: `250` all of them, `write=250,format=50` these. */
  MESH_SKILL_DELAY: z
    .string()
    .regex(/^(?:[\w-]+=)?\d+(?:,(?:[\w-]+=)?\d+)*$/u, 'expected milliseconds, or <skill>=<milliseconds>,…')
    .optional()
    .transform(parseSkillDelays),
  /** The named point at which the process kills itself, for crash tests. */
  MESH_KILL_AT: z.string().optional(),
  /** The coordinator's origin: it takes the events of an agent that has no other bus. */
  MESH_URL: z.url({ protocol: /^https?$/u }).optional(),
  /** Servers of NATS with JetStream, separated by commas: the event bus, and where agents say that they are there. */
  NATS_URL: z
    .string()
    .regex(
      /^(?:nats|tls):\/\/[^\s,]+(?:,(?:nats|tls):\/\/[^\s,]+)*$/u,
      'expected nats://host:port, several separated by commas',
    )
    .refine(
      (urls) => urls.split(',').every(isServerUrl),
      'expected nats://[user:password@]host:port; other characters than letters and digits in them as %40',
    )
    .optional(),
});
export type agentEnvironment = z.infer<typeof agentEnvironment>;

/** The settings every agent has. */
export interface AgentConfig {
  readonly host: string;
  readonly port: number;
  /** The folder of this agent's data; `store.db` is in it. */
  readonly dataPath: string;
  readonly publicUrl: string | undefined;
  readonly token: string | undefined;
  /** Undefined: nobody is told from others. Empty: only the mesh itself has a token. */
  readonly principals: readonly Principal[] | undefined;
  readonly logLevel: agentEnvironment['MESH_LOG_LEVEL'];
  readonly durability: 'full' | 'normal';
  readonly card: string | undefined;
  readonly skillDelaysMs: SkillDelays;
  readonly killAt: string | undefined;
  /** The coordinator's origin. */
  readonly meshUrl: string | undefined;
  readonly natsUrl: string | undefined;
}

/**
 * The settings in a parsed environment.
 * @throws TypeError for principals without a token of the mesh, with which its own processes call each other, or with the
 *   same one.
 */
export const toAgentConfig = (environment: agentEnvironment): AgentConfig => ({
  host: environment.MESH_HOST,
  port: environment.MESH_PORT,
  dataPath: resolve(environment.MESH_DATA),
  publicUrl: environment.MESH_PUBLIC_URL,
  token: environment.MESH_TOKEN,
  principals: principalsOf(environment),
  logLevel: environment.MESH_LOG_LEVEL,
  durability: environment.MESH_DURABILITY,
  card: environment.MESH_CARD,
  skillDelaysMs: environment.MESH_SKILL_DELAY,
  killAt: environment.MESH_KILL_AT,
  meshUrl: environment.MESH_URL === undefined ? undefined : new URL(environment.MESH_URL).origin,
  natsUrl: environment.NATS_URL,
});

function principalsOf({
  MESH_PRINCIPALS: principals,
  MESH_TOKEN: token,
}: agentEnvironment): readonly Principal[] | undefined {
  if (principals === undefined) return undefined;
  if (token === undefined)
    throw badToken('is needed with MESH_PRINCIPALS: the processes of the mesh call each other with it');
  // Who has the mesh's own token may do everything.
  const owner = principals.find(({ tokenSha256 }) => tokenSha256 === tokenDigest(token));
  if (owner) throw badToken(`is the token of ${owner.name}; the mesh needs one of its own`);
  return principals;
}

const badToken = (why: string): TypeError => new TypeError(`the environment is not valid\n  MESH_TOKEN: ${why}`);

/**
 * Parses an environment by a schema and reports all problems together.
 * @throws TypeError that names every variable in error.
 */
export function parseEnvironment<T>(schema: z.ZodType<T>, environment: Record<string, string | undefined>): T {
  // An empty variable counts as none, as in shells and Compose files.
  const parsed = schema.safeParse(Object.fromEntries(Object.entries(environment).filter(([, text]) => text !== '')));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new TypeError(`the environment is not valid\n  ${problems.join('\n  ')}`);
}

/** Parses the settings of an agent that has no variables of its own; the result is frozen. */
export const parseAgentConfig = (environment: Record<string, string | undefined>): AgentConfig =>
  Object.freeze(toAgentConfig(parseEnvironment(agentEnvironment, environment)));

/** The part of {@link AgentServerOptions} that comes from the settings. */
export const serverSettings = (
  config: AgentConfig,
): Pick<AgentServerOptions, 'host' | 'natsUrl' | 'port' | 'principals' | 'publicUrl' | 'skillDelaysMs' | 'token'> & {
  database: { path: string; durability: 'full' | 'normal' };
} => ({
  database: { path: resolve(config.dataPath, 'store.db'), durability: config.durability },
  host: config.host,
  port: config.port,
  skillDelaysMs: config.skillDelaysMs,
  ...(config.principals !== undefined && { principals: config.principals }),
  ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
  ...(config.token !== undefined && { token: config.token }),
  ...(config.natsUrl !== undefined && { natsUrl: config.natsUrl }),
});
