import { runCommandLine } from './program.ts';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());

// A reader that has seen enough (`mesh runs | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), interrupted.signal);
