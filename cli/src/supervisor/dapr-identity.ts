import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaprPorts, freeDaprPorts, type StateStore } from '@daca-mesh/dapr';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { replaceFile } from '../replace-file.ts';
import { arePortsFree } from './free-ports.ts';
import { putAside } from './put-aside.ts';

const port = z.int().min(1).max(65_535);
const Ports = z.object({
  daprdGrpc: port,
  daprdHttp: port,
  daprdInternal: port,
  placement: port,
  placementRaft: port,
  placementHealth: port,
  scheduler: port,
  schedulerEtcdClient: port,
  schedulerEtcdPeer: port,
  schedulerHealth: port,
} satisfies Record<keyof DaprPorts, unknown>);

/** What stays the same whenever Dapr is started on a data folder. */
const DaprIdentity = z.object({
  /**
   * Part of every key in the state store. It is new with every folder, so that what another mesh, or an earlier folder,
   * has left in the same database is not taken for state of this one.
   */
  appId: z.string(),
  /** Demanded by daprd of every call. */
  apiToken: z.string(),
  /** Where the state is, without secrets. */
  store: z.string(),
  ports: Ports,
});
type DaprIdentity = z.infer<typeof DaprIdentity>;

/**
 * Opens the folder of Dapr's state, or begins a new one. One that belongs to another state store is put aside: its
 * reminders and the state there belong together. Ports are kept unless something else listens on one by now.
 */
export async function openDaprIdentity(
  folder: string,
  store: StateStore,
): Promise<{ identity: DaprIdentity; asides: string[] }> {
  const place = placeOf(store);
  const found = tryRead(folder);
  const known = found?.store === place ? found : undefined;
  if (known !== undefined && (await arePortsFree(Object.values(known.ports)))) return { identity: known, asides: [] };
  const asides = known === undefined ? putAside(folder) : [];
  const ports = await freeDaprPorts();
  const identity = known === undefined ? createIdentity(place, ports) : { ...known, ports };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(pathOf(folder), `${JSON.stringify(identity, undefined, 2)}\n`);
  return { identity, asides };
}

const createIdentity = (store: string, ports: DaprPorts): DaprIdentity => ({
  appId: `coordinator-${randomBytes(4).toString('hex')}`,
  apiToken: randomBytes(32).toString('base64url'),
  store,
  ports,
});

const pathOf = (folder: string): string => join(folder, 'identity.json');

function tryRead(folder: string): DaprIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(pathOf(folder), 'utf8');
  } catch {
    return undefined;
  }
  try {
    return DaprIdentity.parse(JSON.parse(text));
  } catch (cause) {
    throw new MeshError('STORE_FAILED', `${pathOf(folder)} is not readable; is it of this version?`, { cause });
  }
}

/** Two passwords, or two users, may well be for one database. */
function placeOf(store: StateStore): string {
  if (store.kind === 'sqlite') return 'sqlite';
  const { hostname, port: given, pathname } = new URL(store.connectionString);
  return `postgres://${hostname}:${given || '5432'}${pathname}`;
}
