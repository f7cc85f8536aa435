#!/usr/bin/env node
// Loaded before anything that a Node without node:sqlite would stumble over.
const [major] = process.versions.node.split('.');

if (Number(major) < 24) {
  process.stderr.write(`daca-sidecar needs Node 24 or later, this is ${process.version}\n`);
  process.exitCode = 2;
} else {
  const { runStandalone } = await import('./standalone/run-standalone.ts');
  const interrupted = new AbortController();
  // Kept: one Ctrl-C may arrive several times, from the terminal and handed on by npm.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());
  process.exitCode = await runStandalone(process.argv.slice(2), {
    print: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    stop: interrupted.signal,
    command: 'daca-sidecar',
  });
}
