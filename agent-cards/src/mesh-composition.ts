import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** The form of a composition file: who runs in a local mesh, in the order of their ports. */
export const MeshComposition = z.array(
  z.strictObject({
    /** Name of the process, of its data folder and of its log. */
    name: z.string().min(1),
    /** Folder of the package that serves it, relative to the workspace. */
    package: z.string().min(1),
    card: z.string().min(1),
    /** Variables added to its environment. */
    env: z.record(z.string(), z.string()),
    /** It calls other agents: it is started when they are, and told where they are (`MESH_PEERS`). */
    callsPeers: z.literal(true).optional(),
  }),
);

/** Who runs in the local mesh, in the order of their ports: `mesh.json`. */
export const meshComposition = Object.freeze(
  MeshComposition.parse(JSON.parse(readFileSync(new URL('../mesh.json', import.meta.url), 'utf8'))),
);

/** One agent of the local mesh. */
export type MeshMember = (typeof meshComposition)[number];
