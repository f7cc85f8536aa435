/** How a process of the mesh is started, and how it is seen that it is ready. */
export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  /** Its working folder. */
  folder: string;
  /** Made before it starts. */
  dataFolder: string;
  logPath: string;
  /** Of its own, on top of what it inherits. */
  env: Readonly<Record<string, string>>;
  readiness: Readiness;
  /** It calls other agents, as the coordinator does: it is started once they are, and told where they are. */
  callsPeers?: true;
  /** Names of the processes that end before this one is asked to. */
  endsAfter?: readonly string[];
}

type Readiness = Announced | Probed;

/**
 * An agent: it is told by MESH_HOST and MESH_PORT where to listen, by MESH_DATA where its data is, and says so when it
 * listens, by the line `{ "msg": "listening", "url": "http://…" }` on standard output.
 */
interface Announced {
  kind: 'announced';
  host: string;
  /** 0: it chooses at its first start and keeps the port from then on. */
  port: number;
}

/** A program that is ready when a URL of it answers 2xx. */
export interface Probed {
  kind: 'probed';
  healthUrl: string;
  /** What users are shown as its address, if it has one for them. */
  url?: string;
}

/** An agent of the composition, the coordinator included. */
export type AgentSpec = ProcessSpec & { readiness: Announced };

export const isAgent = (spec: ProcessSpec): spec is AgentSpec => spec.readiness.kind === 'announced';
