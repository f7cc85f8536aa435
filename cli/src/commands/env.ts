import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { MeshError } from '@daca-mesh/protocol';
import type { Command } from 'commander';
import { addCommand, type Context } from '../context.ts';
import { print, printJson } from '../output.ts';

/** `mesh env`: the secrets of a mesh in containers, made on the machine where they are used. */
export function addEnvCommand(program: Command, _context: Context): void {
  addCommand(program, 'env', 'write the .env of compose.yaml, with a new token of the mesh', [
    'npx mesh env',
    'npx mesh env --file deploy/.env',
  ])
    .option('--file <file>', 'where to; a file that is there is left alone', '.env')
    .action(({ file, json }: { file: string; json?: boolean }) => {
      const token = randomBytes(32).toString('base64url');
      write(file, `# The token that every caller of the mesh sends as "Authorization: Bearer".\nMESH_TOKEN=${token}\n`);
      if (json) printJson({ file, variables: ['MESH_TOKEN'] });
      else print(`wrote ${file}, readable by you only; next: docker compose up --build --wait`);
    });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    const reason = isThere ? 'it is there already, and may be in use' : String(cause);
    throw new MeshError('FORBIDDEN', `${file} was not written: ${reason}`, { cause });
  }
}
