import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';

const emptyAsUnset = (value: unknown) => (value === '' ? undefined : value);

const Environment = z.object({
  MESH_URL: z.preprocess(emptyAsUnset, z.url({ protocol: /^https?$/ }).optional()),
  MESH_TOKEN: z.preprocess(emptyAsUnset, z.string().optional()),
  MESH_PRINCIPALS: z.preprocess(
    emptyAsUnset,
    z
      .string()
      .transform((path) => resolve(path))
      .optional(),
  ),
  MESH_HOST: z.preprocess(emptyAsUnset, z.string().default('127.0.0.1')),
  MESH_PORT: z.preprocess(emptyAsUnset, z.coerce.number().int().min(0).max(65_535).default(4100)),
  MESH_ENGINE: z.preprocess(emptyAsUnset, z.enum(['embedded', 'dapr']).optional()),
  MESH_DAPR_STATE: z.preprocess(emptyAsUnset, z.string().optional()),
  DAPR_GRPC_ENDPOINT: z.preprocess(emptyAsUnset, z.string().optional()),
});

/** What the command line takes from its environment. */
export interface Config {
  readonly url: string | undefined;
  readonly token: string | undefined;
  /** The file of those who have a token of their own; absolute. */
  readonly principalsPath: string | undefined;
  readonly host: string;
  readonly port: number;
  /** What is to run the workflows of a mesh that is started; undefined: the default. */
  readonly engine: 'embedded' | 'dapr' | undefined;
  /** `sqlite`, or the URL of a PostgreSQL database, with a password perhaps. */
  readonly daprState: string | undefined;
  /** Of a Dapr that runs already. */
  readonly daprEndpoint: string | undefined;
  /** The whole environment: what `up` hands on to the processes it starts (model keys, OTEL_*, DAPR_* ...). */
  readonly inherited: Readonly<Record<string, string>>;
}

/** Reads and checks the environment; every problem is named in one error. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw new InvalidArgumentError(`the environment is not usable: ${problems}`);
  }
  const { MESH_PRINCIPALS: principalsPath } = parsed.data;
  // The processes of a mesh have working folders of their own.
  const absolute = principalsPath === undefined ? {} : { MESH_PRINCIPALS: principalsPath };
  const inherited = Object.entries({ ...environment, ...absolute }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return Object.freeze({
    url: parsed.data.MESH_URL,
    token: parsed.data.MESH_TOKEN,
    principalsPath,
    host: parsed.data.MESH_HOST,
    port: parsed.data.MESH_PORT,
    engine: parsed.data.MESH_ENGINE,
    daprState: parsed.data.MESH_DAPR_STATE,
    daprEndpoint: parsed.data.DAPR_GRPC_ENDPOINT,
    // Pairs of strings make a record of strings.
    inherited: Object.freeze(Object.fromEntries(inherited) as Record<string, string>),
  });
}
