import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The conventions that a type checker cannot see, as tests. */

const root = resolve(import.meta.dirname, '..');

interface Package {
  folder: string;
  name: string;
  dependencies: string[];
  /** Those that are there without development dependencies, as in an image. */
  installed: string[];
}

const peers = readdirSync(join(root, 'peers')).map((name) => `peers/${name}`);
const folders = ['protocol', 'agent-cards', ...peers, 'coordinator', 'coordinator/sidecar', 'cli', 'test', 'bench'];
const packages = folders.map((folder): Package => {
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const namesIn = (...fields: string[]): string[] => fields.flatMap((field) => Object.keys(manifest[field] ?? {}));
  const installed = namesIn('dependencies', 'peerDependencies');
  return {
    folder,
    name: String(manifest['name']),
    dependencies: [...installed, ...namesIn('devDependencies')],
    installed,
  };
});

function* filesBelow(folder: string, extension: RegExp): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (['node_modules', '.mesh', '.git', 'gen', 'dist'].includes(entry.name)) continue;
    if (entry.isDirectory()) yield* filesBelow(path, extension);
    else if (extension.test(entry.name)) yield path;
  }
}

const packageOf = (path: string): Package => {
  const owner = packages
    .filter((candidate) => path.startsWith(`${candidate.folder}/`))
    .sort((a, b) => b.folder.length - a.folder.length)[0];
  if (!owner) throw new Error(`${path} belongs to no package`);
  return owner;
};

const importsOf = (path: string): string[] =>
  [
    ...readFileSync(join(root, path), 'utf8').matchAll(
      /^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? '');

const allowed: Record<string, readonly string[]> = {
  protocol: [],
  'agent-cards': ['@daca-mesh/protocol'],
  peer: ['@daca-mesh/protocol', '@daca-mesh/agent-cards'],
  coordinator: ['@daca-mesh/protocol', '@daca-mesh/agent-cards', '@daca-mesh/sidecar', '@daca-mesh/dapr'],
  'coordinator/sidecar': [],
  cli: ['@daca-mesh/protocol', '@daca-mesh/agent-cards', '@daca-mesh/sidecar', '@daca-mesh/dapr'],
};

const sources = folders.flatMap((folder) => Array.from(filesBelow(folder, /\.ts$/)));
const code = [...new Set(sources)].filter(
  (path) => !/\.test\.ts$|(^|\/)(test|testing|bench)\//.test(path) && !path.startsWith('test/'),
);

describe('the arrows between packages', () => {
  it('sees every package', () => {
    expect(packages.length).toBeGreaterThanOrEqual(12);
    expect(code.length).toBeGreaterThan(50);
  });

  it.each(packages.filter(({ folder }) => !['test', 'bench'].includes(folder)))(
    '$folder depends on nothing it must not know',
    ({ folder, dependencies }) => {
      const permitted = allowed[folder.startsWith('peers/') ? 'peer' : folder];
      const own = dependencies.filter((name) => name.startsWith('@daca-mesh/'));
      expect(own.filter((name) => !permitted?.includes(name))).toEqual([]);
    },
  );

  it('imports only what package.json declares, and never another package by path', () => {
    const offences = code.flatMap((path) => {
      const owner = packageOf(path);
      return importsOf(path).flatMap((specifier) => {
        if (specifier.startsWith('node:')) return [];
        if (specifier.startsWith('.')) {
          const target = relative(root, resolve(root, path, '..', specifier));
          return packageOf(target).folder === owner.folder ? [] : [`${path} -> ${target}`];
        }
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        return owner.dependencies.includes(name) || name === owner.name ? [] : [`${path} -> ${specifier}`];
      });
    });
    expect(offences).toEqual([]);
  });

  it('needs no development dependency to run', () => {
    const offences = code
      .filter(
        (path) => /^(?:protocol|agent-cards|peers|coordinator|cli)\/(?!dapr\/)/.test(path) && path.includes('/src/'),
      )
      .flatMap((path) => {
        const text = readFileSync(join(root, path), 'utf8');
        const imports = text.matchAll(/^(?:import|export)\b(?! type\b)[^'"]*?from '([^']+)'|\bimport\('([^']+)'\)/gm);
        const { name: own, installed } = packageOf(path);
        return Array.from(imports, ([, fixed, later]) => fixed ?? later ?? '')
          .filter((specifier) => !/^(?:\.|node:)/.test(specifier))
          .map((specifier) => specifier.match(/^(?:@[^/]+\/)?[^/]+/)?.[0] ?? specifier)
          .filter((name) => name !== own && !installed.includes(name))
          .map((name) => `${path} -> ${name}`);
      });
    expect(offences).toEqual([]);
  });

  it('keeps the root of protocol free of servers and loggers', () => {
    const files = readdirSync(join(root, 'protocol/src')).filter((name) => name.endsWith('.ts'));
    const imported = files.flatMap((name) => importsOf(`protocol/src/${name}`));
    expect(imported.filter((name) => ['express', 'pino', 'kysely'].includes(name))).toEqual([]);
    expect(imported.filter((name) => /^\.\/(server|client|testing|agents-sdk)\//.test(name))).toEqual([]);
  });

  it('lets no peer name another', () => {
    const offences = code
      .filter((path) => path.startsWith('peers/'))
      .filter((path) =>
        peers.some((peer) => !path.startsWith(`${peer}/`) && importsOf(path).some((name) => name.includes(peer))),
      );
    expect(offences).toEqual([]);
  });
});

describe('peers and cards', () => {
  const composition: { name: string; package: string; card: string }[] = JSON.parse(
    readFileSync(join(root, 'agent-cards/mesh.json'), 'utf8'),
  );

  it('serves every card by a package and every peer package by a card', () => {
    const cards = readdirSync(join(root, 'agent-cards/cards')).map((name) => name.replace(/\.json$/, ''));
    expect(composition.map((entry) => entry.card).sort()).toEqual(cards.sort());
    for (const peer of peers) expect(composition.map((entry) => entry.package)).toContain(peer);
  });

  it.each(peers)('%s has the files of every peer', (peer) => {
    const files = [
      'src/main.ts',
      'src/config.ts',
      'src/server.ts',
      'src/logger.ts',
      'README.md',
      'test/contract.test.ts',
    ];
    expect(files.filter((file) => !existsSync(join(root, peer, file)))).toEqual([]);
    expect(readdirSync(join(root, peer, 'src/skills')).length).toBeGreaterThan(0);
  });
});

describe('house rules', () => {
  it('reads the environment only in config.ts', () => {
    const offences = code
      .filter((path) => !/(^|\/)config\.ts$/.test(path))
      .filter((path) => readFileSync(join(root, path), 'utf8').includes('process.env'));
    expect(offences).toEqual([]);
  });

  it('has no folder for leftovers', () => {
    const offences = code.filter((path) => /(^|\/)(common|utils|shared|helpers|misc)(\/|\.ts$)/.test(path));
    expect(offences).toEqual([]);
  });

  it('does not write to the console outside the command line', () => {
    const offences = code
      .filter((path) => !path.startsWith('cli/'))
      .filter((path) => /\bconsole\.(log|info|warn|error|debug)\(/.test(readFileSync(join(root, path), 'utf8')));
    expect(offences).toEqual([]);
  });
});
