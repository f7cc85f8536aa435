import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaprBinaries } from './binaries.ts';

/** Where daprd keeps the state of its workflows: a file in its folder, or a PostgreSQL database. */
export type StateStore =
  | { readonly kind: 'sqlite' }
  /** As a URL, or in the form `host=… dbname=…`. */
  | { readonly kind: 'postgres'; readonly connectionString: string };

export interface DaprPorts {
  readonly daprdGrpc: number;
  readonly daprdHttp: number;
  readonly daprdInternal: number;
  readonly placement: number;
  readonly placementRaft: number;
  readonly placementHealth: number;
  readonly scheduler: number;
  readonly schedulerEtcdClient: number;
  readonly schedulerEtcdPeer: number;
  readonly schedulerHealth: number;
}

export interface DaprOptions {
  readonly binaries: DaprBinaries;
  readonly ports: DaprPorts;
  /** Absolute. Configuration and state are kept in it. */
  readonly folder: string;
  /** Default: `coordinator`. */
  readonly appId?: string;
  /** Default: SQLite. */
  readonly store?: StateStore;
  /** If set, daprd demands it of every call as `dapr-api-token`. */
  readonly apiToken?: string | undefined;
  /** Largest request, as a Kubernetes quantity; default `16Mi`. */
  readonly maxBodySize?: string;
  /** The port of the app on this machine that daprd delivers events to; it is told the token as `dapr-api-token`. */
  readonly app?: { readonly port: number; readonly token?: string | undefined };
  /** Further resources by file name without extension: pub/sub components, subscriptions. */
  readonly resources?: Readonly<Record<string, object>>;
}

/** One of Dapr's programs and how to start it. */
export interface DaprProcess {
  readonly name: 'placement' | 'scheduler' | 'daprd';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Answers 2xx when the program is ready. */
  readonly healthUrl: string;
}

const host = '127.0.0.1';

/**
 * Writes Dapr's configuration into the folder and says how its three programs are started, in this order. They listen on
 * loopback, except for the health ports of scheduler and placement: these ignore `--healthz-listen-address`.
 */
export function daprProcesses(options: DaprOptions): DaprProcess[] {
  const { binaries, ports } = options;
  const folders = prepareFolder(options);
  return [
    {
      name: 'placement',
      command: binaries.placement,
      args: flags({
        id: 'dapr-placement-0',
        port: ports.placement,
        'initial-cluster': `dapr-placement-0=${host}:${ports.placementRaft}`,
        'listen-address': host,
        'healthz-port': ports.placementHealth,
        'healthz-listen-address': host,
        'enable-metrics': false,
        'tls-enabled': false,
        'log-as-json': true,
      }),
      env: {},
      healthUrl: `http://${host}:${ports.placementHealth}/healthz`,
    },
    {
      name: 'scheduler',
      command: binaries.scheduler,
      args: flags({
        id: 'dapr-scheduler-server-0',
        port: ports.scheduler,
        'listen-address': host,
        'override-broadcast-host-port': `${host}:${ports.scheduler}`,
        'etcd-data-dir': folders.etcd,
        'etcd-client-port': ports.schedulerEtcdClient,
        'etcd-client-listen-address': host,
        'etcd-initial-cluster': `dapr-scheduler-server-0=http://${host}:${ports.schedulerEtcdPeer}`,
        'healthz-port': ports.schedulerHealth,
        'healthz-listen-address': host,
        'enable-metrics': false,
        'identity-directory-write': folders.identity,
        'log-as-json': true,
      }),
      env: {},
      healthUrl: `http://${host}:${ports.schedulerHealth}/healthz`,
    },
    {
      name: 'daprd',
      command: binaries.daprd,
      args: flags({
        'app-id': options.appId ?? 'coordinator',
        'dapr-grpc-port': ports.daprdGrpc,
        'dapr-http-port': ports.daprdHttp,
        'dapr-internal-grpc-port': ports.daprdInternal,
        'dapr-internal-grpc-listen-address': host,
        'dapr-listen-addresses': host,
        'placement-host-address': `${host}:${ports.placement}`,
        'scheduler-host-address': `${host}:${ports.scheduler}`,
        'resources-path': folders.resources,
        config: folders.configuration,
        'max-body-size': options.maxBodySize ?? '16Mi',
        'enable-metrics': false,
        'log-as-json': true,
        ...(options.app && { 'app-port': options.app.port, 'app-protocol': 'http', 'app-channel-address': host }),
      }),
      env: {
        DAPR_HOST_IP: host,
        ...(options.apiToken === undefined ? {} : { DAPR_API_TOKEN: options.apiToken }),
        ...(options.app?.token === undefined ? {} : { APP_API_TOKEN: options.app.token }),
      },
      healthUrl: `http://${host}:${ports.daprdHttp}/v1.0/healthz`,
    },
  ];
}

const flags = (values: Record<string, string | number | boolean>): string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

function prepareFolder({ folder, binaries, store = { kind: 'sqlite' }, resources = {} }: DaprOptions) {
  const folders = {
    etcd: join(folder, 'etcd'),
    identity: join(folder, 'identity'),
    resources: join(folder, 'resources'),
    configuration: join(folder, 'configuration.yaml'),
  };
  // etcd refuses a folder that others can read.
  for (const each of [folders.etcd, folders.identity, folders.resources]) {
    mkdirSync(each, { recursive: true, mode: 0o700 });
  }
  writeResource(join(folders.resources, 'state-store.yaml'), {
    apiVersion: 'dapr.io/v1alpha1',
    kind: 'Component',
    metadata: { name: 'workflow-state' },
    spec: stateStoreSpec(store, folder),
  });
  for (const [name, resource] of Object.entries(resources)) {
    writeResource(join(folders.resources, `${name}.yaml`), resource);
  }
  writeResource(folders.configuration, {
    apiVersion: 'dapr.io/v1alpha1',
    kind: 'Configuration',
    metadata: { name: 'mesh' },
    spec: binaries.builtHere ? { nameResolution: localNameResolution(folder) } : {},
  });
  return folders;
}

function stateStoreSpec(store: StateStore, folder: string): object {
  const metadata =
    store.kind === 'sqlite'
      ? // With the default of 2 s, starts fail under load: "database is locked".
        { connectionString: join(folder, 'state.db'), busyTimeout: '20s' }
      : { connectionString: store.connectionString };
  return {
    type: store.kind === 'sqlite' ? 'state.sqlite' : 'state.postgresql',
    version: store.kind === 'sqlite' ? 'v1' : 'v2',
    metadata: Object.entries({ ...metadata, actorStateStore: 'true' }).map(([name, value]) => ({ name, value })),
  };
}

const localNameResolution = (folder: string): object => ({
  component: 'sqlite',
  version: 'v1',
  configuration: { connectionString: join(folder, 'names.db') },
});

/** JSON is YAML. The file may hold a password. */
function writeResource(path: string, resource: object): void {
  writeFileSync(path, `${JSON.stringify(resource, undefined, 2)}\n`, { mode: 0o600 });
}
