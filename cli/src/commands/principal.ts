import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { MeshError, tokenDigest } from '@daca-mesh/protocol';
import type { Command } from 'commander';
import { addCommand, type CommonOptions, type Context } from '../context.ts';
import { defaultDataFolder } from '../mesh-location.ts';
import { note, print, printJson } from '../output.ts';
import { changePrincipals } from '../principals-file.ts';

interface PrincipalOptions extends CommonOptions {
  file?: string;
}

/** `mesh principal`: people with a token of their own, so that it is known who decides. */
export function addPrincipalCommands(program: Command, context: Context): void {
  const principal = program.command('principal').description('people with a token of their own');
  const dataOption = ['--data <folder>', 'data folder of the mesh (default: .mesh)'] as const;
  const fileOption = [
    '--file <file>',
    'where they are stored (default: MESH_PRINCIPALS, else principals.json of the data folder)',
  ] as const;

  addCommand(principal, 'add', 'give somebody a token, which is shown once; only its hash is stored', [
    'npx mesh principal add ann --role manager',
    'npx mesh principal add bob --role manager --role operator --file principals.json',
  ])
    .argument('<name>', 'of the person')
    .option('--role <role>', 'a role; may be given several times. "operator" may answer everything', collect)
    .option(...dataOption)
    .option(...fileOption)
    .action((name: string, options: PrincipalOptions & { role?: string[] }) => {
      const path = fileOf(options, context);
      const token = `mesh_${randomBytes(32).toString('base64url')}`;
      const roles = [...new Set(options.role ?? [])];
      changePrincipals(path, (principals) => {
        if (principals.some((each) => each.name === name)) {
          throw new MeshError('INVALID_ARGUMENT', `${name} has a token; "mesh principal remove ${name}" takes it away`);
        }
        return [...principals, { name, tokenSha256: tokenDigest(token), roles }];
      });
      if (options.json) return printJson({ name, roles, token, file: path });
      print(token);
      note(`This is shown once. ${name} uses it as MESH_TOKEN; it counts when the mesh is started with`);
      note(`MESH_PRINCIPALS=${path}, and a MESH_TOKEN of its own.`);
    });

  addCommand(principal, 'remove', 'take the token of somebody away', ['npx mesh principal remove ann'])
    .argument('<name>', 'of the person')
    .option(...dataOption)
    .option(...fileOption)
    .action((name: string, options: PrincipalOptions) => {
      const path = fileOf(options, context);
      changePrincipals(path, (principals) => {
        const others = principals.filter((each) => each.name !== name);
        if (others.length < principals.length) return others;
        throw new MeshError('NOT_FOUND', `${path} has nobody called ${name}`);
      });
      if (options.json) return printJson({ name, file: path });
      print(`removed ${name}; a running mesh forgets it when its processes are started again`);
    });
}

const fileOf = ({ file, data }: PrincipalOptions, { config }: Context): string =>
  resolve(file ?? config.principalsPath ?? join(data ?? defaultDataFolder, 'principals.json'));

const collect = (role: string, roles: string[] = []): string[] => [...roles, role];
