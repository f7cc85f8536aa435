import type { RuleTester } from 'oxlint/plugins-dev';

/**
 * Refuses in workflow code what a replay would not repeat: clock, randomness, I/O, environment, timers, the SDK's own
 * context. It looks at every file that calls `defineWorkflow`, and with `{ "always": true }` at every file it is given,
 * for folders whose helpers are workflow code too.
 */

// The types of a rule, which oxlint 1.94 exports by those of its tester alone.
type Rule = Exclude<Parameters<RuleTester['run']>[1], { createOnce: unknown }>;
type Context = Parameters<Rule['create']>[0];
type Visitor = ReturnType<Rule['create']>;
type Program = Parameters<NonNullable<Visitor['Program']>>[0];
type Node = Program | NonNullable<Parameters<NonNullable<Visitor['Identifier']>>[0]['parent']>;
type Reference = Context['sourceCode']['scopeManager']['scopes'][number]['references'][number];

/** Globals that tell, or do, another thing at each replay; and what workflow code has instead. */
const globals: Readonly<Record<string, string>> = {
  Date: 'use mesh.now()',
  performance: 'use mesh.now()',
  crypto: 'use mesh.uuid()',
  fetch: 'use mesh.call() or mesh.activity()',
  WebSocket: 'use mesh.call() or mesh.activity()',
  EventSource: 'use mesh.call() or mesh.activity()',
  XMLHttpRequest: 'use mesh.call() or mesh.activity()',
  setTimeout: 'use mesh.sleep()',
  setInterval: 'use mesh.sleep()',
  setImmediate: 'use mesh.sleep()',
  queueMicrotask: 'yield* the step instead',
  Promise: 'use mesh.all()',
  Atomics: 'use mesh.sleep()',
  AbortSignal: 'give the step a time limit',
  process: 'take it from the input',
  console: 'use mesh.progress()',
  navigator: 'take it from the input',
  localStorage: 'use mesh.activity()',
  sessionStorage: 'use mesh.activity()',
  require: 'import what you need',
  eval: 'write it out',
  globalThis: 'name what you need',
  global: 'name what you need',
  WeakRef: 'when it is cleared differs between replays',
  FinalizationRegistry: 'when it is called differs between replays',
};

/** Packages that only compute. */
const packages = /^(?:zod|@daca-mesh\/(?:agent-cards|protocol))(?:\/|$)/u;
/** Folders of the coordinator that do I/O; the kit's tests and its activities among them. */
const outside =
  /(?:^|\/)(?:activities|deadlines|directory|engine|http|inbox|outbox|runs|store|watcher|testing)\/|\/(?:config|coordinator|logger|main|server)\.ts$/u;

const rule: Rule = {
  meta: {
    type: 'problem',
    docs: { description: 'Workflow code is replayed: it uses nothing but `mesh` and its input.' },
    messages: {
      global: 'Workflow code is replayed: no {{name}}, {{instead}}.',
      random: 'Workflow code is replayed: no Math.random(), use mesh.uuid().',
      import: "Workflow code is replayed and does no I/O: no import of '{{name}}'.",
      await: 'Workflow code waits for steps only: use yield*, not await.',
    },
    schema: [{ type: 'object', properties: { always: { type: 'boolean' } }, additionalProperties: false }],
  },
  create(context) {
    return {
      Program(program) {
        if (isAlways(context) || callsDefineWorkflow(program)) checkFile(context, program);
      },
    };
  },
};

const isAlways = ({ options: [first] }: Context): boolean =>
  typeof first === 'object' && first !== null && 'always' in first && first.always === true;

const callsDefineWorkflow = (program: Program): boolean =>
  program.body.some(
    (statement) =>
      statement.type === 'ImportDeclaration' &&
      statement.specifiers.some(
        (specifier) =>
          specifier.type === 'ImportSpecifier' &&
          specifier.imported.type === 'Identifier' &&
          specifier.imported.name === 'defineWorkflow',
      ),
  );

function checkFile(context: Context, program: Program): void {
  for (const { identifier, resolved } of referencesOf(context)) {
    // One that the file declares itself is no global.
    if (resolved && resolved.defs.length > 0) continue;
    const { name } = identifier;
    const instead = Object.hasOwn(globals, name) ? globals[name] : undefined;
    if (instead !== undefined) context.report({ node: identifier, messageId: 'global', data: { name, instead } });
    else if (name === 'Math' && isRandom(identifier.parent)) context.report({ node: identifier, messageId: 'random' });
  }
  for (const node of nodesOf(program)) {
    if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)) {
      context.report({ node, messageId: 'await' });
    }
    const source = importOf(node);
    if (source !== undefined && !isPure(source)) context.report({ node, messageId: 'import', data: { name: source } });
  }
}

/** Every use of a name that is no type. */
function* referencesOf({ sourceCode }: Context): Generator<Reference> {
  for (const scope of sourceCode.scopeManager.scopes) {
    for (const reference of scope.references) {
      if (!reference.identifier.parent?.type.startsWith('TSType')) yield reference;
    }
  }
}

/** `Math.random`, also as `Math['random']` or taken out of Math. */
function isRandom(parent: Node | null | undefined): boolean {
  if (parent?.type !== 'MemberExpression') return true;
  const { property } = parent;
  if (property.type === 'Identifier' && !parent.computed) return property.name === 'random';
  return property.type !== 'Literal' || property.value === 'random';
}

/** What a node imports at run time. */
function importOf(node: Node): string | undefined {
  if (node.type === 'ImportExpression') {
    return node.source.type === 'Literal' && typeof node.source.value === 'string' ? node.source.value : '(computed)';
  }
  if (node.type === 'ImportDeclaration') return node.importKind === 'type' ? undefined : node.source.value;
  if (node.type !== 'ExportAllDeclaration' && node.type !== 'ExportNamedDeclaration') return undefined;
  return node.exportKind === 'type' ? undefined : node.source?.value;
}

const isPure = (source: string): boolean => (source.startsWith('.') ? !outside.test(source) : packages.test(source));

function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const [key, value] of Object.entries(node)) {
    if (key === 'parent') continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* nodesOf(child);
  }
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

const plugin = { meta: { name: 'mesh' }, rules: { 'workflow-code': rule } };
export default plugin;
