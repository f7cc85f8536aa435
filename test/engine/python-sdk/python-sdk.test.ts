import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { findPython, pythonSkipReason } from '../../python/python.ts';
import { backEnds } from '../conformance/back-ends.ts';

/** A generation newer than that of the SDK for JavaScript: its worker keeps histories, and lists, reads and reruns. */
describe.each(backEnds)("Dapr's SDK for Python on $name", (backEnd) => {
  const reason = backEnd.skipReason ?? pythonSkipReason();

  it.skipIf(reason)(
    `runs a program of its documentation${reason ? ` (${reason})` : ''}`,
    { timeout: 120_000 },
    async () => {
      await using engine = await backEnd.start();
      expect(await runProgram(engine.port)).toEqual({
        paused: 'SUSPENDED',
        parent: ['COMPLETED', { first: 2, sum: 210, below: 20, decision: { approved: true } }],
        terminated: ['TERMINATED', 'enough'],
        purged: true,
        generations: ['COMPLETED', 5],
        failing: 'FAILED',
        historyHasActivities: true,
        listed: true,
        rerun: ['COMPLETED', 70],
      });
    },
  );
});

async function runProgram(port: number): Promise<unknown> {
  const program = spawn('python3', [join(import.meta.dirname, 'program.py')], {
    env: { ...process.env, PYTHONPATH: findPython(), DAPR_GRPC_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, complaints] = await Promise.all([text(program.stdout), text(program.stderr), once(program, 'close')]);
  if (program.exitCode !== 0) throw new Error(complaints);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}
