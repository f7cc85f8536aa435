import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readApiToken } from '../config.ts';
import type { RetentionPolicy } from '../engine/retention.ts';
import { TRANSPORT_MAX_BYTES } from '../grpc/grpc-server.ts';
import type { Durability } from '../store/sqlite-database.ts';
import { parseChoice, parseDuration, parsePort, parseSize, UsageError } from './quantity.ts';

/** What the command line says, with the defaults filled in. */
export interface StandaloneOptions {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  readonly dataFolder: string;
  readonly durability: Durability;
  readonly retention: RetentionPolicy;
  readonly maxMessageBytes: number;
  readonly apiToken: string | undefined;
  readonly json: boolean;
}

export const HELP = `A Dapr workflow sidecar: run it, and start programs written with any Dapr SDK beside it. Ctrl-C ends it.

Options:
  --port <n>             gRPC, for workers and clients; 0: any free port (default: 50001)
  --http-port <n>        HTTP workflow API; 0: any free port (default: 3500)
  --host <host>          address to listen on; anything but loopback needs a token (default: 127.0.0.1)
  --data <folder>        where everything is kept (default: .daca-sidecar)
  --durability <kind>    full: survives power loss. normal: survives kill -9, but a power loss may take the
                         last moments with it (default: full)
  --retention <time>     deletes instances so long after they ended: 7d, 12h, 30m; or for one outcome only, which
                         wins over the general one: completed=1d, failed=30d, terminated=7d. May be repeated
                         (default: kept until they are purged)
  --token-from <name>    environment variable with the token that callers have to send (default: DAPR_API_TOKEN)
  --max-body-size <size> largest message: 4Mi, 512Ki (default: 4Mi)
  --json                 one JSON line when it listens, and errors as JSON
  --help                 this text
`;

/**
 * @param environment Where `--token-from` is looked up.
 * @returns undefined if help was asked for.
 * @throws UsageError
 */
export function parseOptions(args: readonly string[], environment?: NodeJS.ProcessEnv): StandaloneOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  return {
    host: values.host,
    port: parsePort('--port', values.port),
    httpPort: parsePort('--http-port', values['http-port']),
    dataFolder: resolve(values.data),
    durability: parseChoice('--durability', values.durability, ['full', 'normal']),
    retention: parseRetention(values.retention),
    maxMessageBytes: parseSize('--max-body-size', values['max-body-size'], TRANSPORT_MAX_BYTES),
    apiToken: readApiToken(values['token-from'], environment),
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '50001' },
        'http-port': { type: 'string', default: '3500' },
        data: { type: 'string', default: '.daca-sidecar' },
        durability: { type: 'string', default: 'full' },
        retention: { type: 'string', multiple: true, default: [] },
        'token-from': { type: 'string', default: 'DAPR_API_TOKEN' },
        'max-body-size': { type: 'string', default: '4Mi' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const OUTCOMES = ['completed', 'failed', 'terminated'] as const;

function parseRetention(given: readonly string[]): RetentionPolicy {
  const times = given.map((text): [string, number] => {
    const [first = '', time] = text.split('=', 2);
    return time === undefined
      ? ['anyTerminal', parseDuration('--retention', first)]
      : [parseChoice('the outcome in --retention', first, OUTCOMES), parseDuration('--retention', time)];
  });
  return Object.fromEntries(times);
}
